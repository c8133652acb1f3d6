"""What is counted of each outcome once it is published."""

from collections.abc import Callable
from datetime import datetime, timedelta

from workers.runtime.settling.results import Result
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics


def counted(metrics: InspectorMetrics) -> Callable[[Result, datetime], None]:
    """What the publisher tells of each result, and when it was published."""

    def count(result: Result, now: datetime) -> None:
        if not result.label:
            return
        if result.rejected:
            metrics.rejected.labels(result.label).inc()
        else:
            metrics.outcomes.labels(verdict=result.label, category=result.category).inc()
        if result.span is not None:
            captured, decided = result.span
            metrics.stage.labels("publish").observe(_seconds(now - decided))
            metrics.latency.observe(_seconds(now - captured))

    return count


def _seconds(span: timedelta) -> float:
    """Never negative: camera and worker clocks need not agree."""
    return max(0.0, span.total_seconds())
