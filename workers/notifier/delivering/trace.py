"""The notifier's span: from the raising of an alarm until a channel took it."""

from datetime import UTC, datetime

from schemas.alarm import Alarm
from workers.runtime.telemetry.spans import Span, child, parse
from workers.runtime.telemetry.tracing import Tracing


class Traces:
    """Joins alarms to the trace of the first event that they tell of."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def delivered(self, alarm: Alarm, channel: str) -> None:
        """A channel has just taken an alarm."""
        event = parse(alarm.traceparent)
        if event is None or not event.sampled:
            return
        attributes: dict[str, str | int | float] = {
            "inspector.alarm": alarm.alarm_id,
            "inspector.camera": alarm.camera_id,
            "inspector.cause": alarm.cause,
            "inspector.channel": channel,
            "inspector.count": alarm.count,
        }
        context = child(event, f"alarm {alarm.alarm_id} {alarm.count} {channel}")
        self._tracing.tell(
            Span(
                *("alarm", context, alarm.raised_at, datetime.now(UTC), event),
                attributes=attributes,
            )
        )
