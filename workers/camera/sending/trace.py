"""The camera's span: from the capture of a frame until the broker has it."""

from collections.abc import Iterable
from datetime import datetime

from schemas.frame import Frame
from workers.runtime.telemetry.spans import Span, parse
from workers.runtime.telemetry.tracing import Tracing


class Traces:
    """Begins a trace with each frame; its id is the frame's, so one finds the other."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def begin(self, frame_id: str) -> str:
        """The traceparent of a new frame."""
        return self._tracing.begin(frame_id.replace("-", "")).header

    def sent(self, frames: Iterable[Frame], now: datetime) -> None:
        """The broker has these."""
        for frame in frames:
            context = parse(frame.traceparent)
            if context is not None and context.sampled:
                attributes: dict[str, str | int | float] = {
                    "inspector.frame": frame.frame_id,
                    "inspector.camera": frame.camera_id,
                    "inspector.category": frame.category,
                    "messaging.message.body.size": len(frame.data),
                }
                self._tracing.tell(
                    Span(
                        *("camera", context, frame.captured_at, now),
                        kind="producer",
                        attributes=attributes,
                    )
                )
