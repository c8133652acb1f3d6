"""The gate's span: from the capture of a part until the plant has its answer."""

from datetime import UTC, datetime

from workers.gate.answers import Answer
from workers.runtime.telemetry.spans import Span, child, parse
from workers.runtime.telemetry.tracing import Tracing


class Traces:
    """Joins answers to the trace of their frame; of a joined part to that of its first view."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def answered(self, answer: Answer, channel: str) -> None:
        """A channel has just taken an answer."""
        frame = parse(answer.traceparent)
        if frame is None or not frame.sampled:
            return
        attributes: dict[str, str | int | float] = {
            "inspector.camera": answer.camera,
            "inspector.part": answer.key.number,
            "inspector.decision": answer.decision.value,
            "inspector.reason": answer.reason,
            "inspector.late": str(answer.late).lower(),
            "inspector.channel": channel,
        }
        context = child(frame, f"answer {answer.camera} {answer.key} {channel}")
        span = Span(
            *("answer", context, answer.key.captured_at, datetime.now(UTC), frame),
            attributes=attributes,
        )
        self._tracing.tell(span)
