"""The span of an explanation, below the worker's span of the frame, told when it is published."""

from collections.abc import Callable
from datetime import datetime, timedelta

from schemas.explanation import ExplanationState
from workers.explainer.verdicts import Wanted
from workers.runtime.telemetry.spans import Context, Span, digest, parse
from workers.runtime.telemetry.tracing import Tracing


class Traces:
    """Makes an explainer's spans."""

    def __init__(self, tracing: Tracing, explainer_id: str) -> None:
        self._tracing, self._explainer_id = tracing, explainer_id

    def settled(
        self, wanted: Wanted, state: ExplanationState, took_s: float
    ) -> Callable[[datetime], None] | None:
        """What to call when it is published; None when the frame's trace is not kept."""
        parent = parse(wanted.event.traceparent)
        if parent is None or not parent.sampled:
            return None
        span_id = digest(parent.trace_id, self._explainer_id, wanted.place, digits=16)
        context = Context(parent.trace_id, span_id, sampled=True)

        def tell(now: datetime) -> None:
            span = Span(
                *("explain", context, now - timedelta(seconds=took_s), now, parent),
                kind="consumer",
                attributes=_attributes(wanted, state),
            )
            self._tracing.tell(span)

        return tell


def _attributes(wanted: Wanted, state: ExplanationState) -> dict[str, str | int | float]:
    """Names of OpenTelemetry's conventions where there are any."""
    record = wanted.ticket.record
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.partition.topic,
        "messaging.destination.partition.id": str(record.partition.index),
        "messaging.kafka.offset": record.offset,
        "inspector.frame": wanted.frame.frame_id,
        "inspector.camera": wanted.frame.camera_id,
        "inspector.category": wanted.frame.category,
        "inspector.explanation": state.value,
        "inspector.model.version": wanted.version or "",
    }
