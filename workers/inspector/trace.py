"""The spans of a frame's way through the worker, told in one go when its outcome is published.

    camera                       (the camera's own span, when it traces)
      broker                     on its topic
      inspect                    from poll to publication; outcome and defect carry its context
        decode, batch wait, infer, publish
    batch                        a trace of its own, linked to the frames' `inspect`

The context of `inspect` is derived from the frame and its record, so it need not be carried along.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.frame import Frame
from schemas.outcome import Latencies
from workers.inspector.work import Admitted
from workers.runtime.bus.ports import Record
from workers.runtime.settling.results import Ticket
from workers.runtime.telemetry.spans import Context, Span, child, digest, parse
from workers.runtime.telemetry.tracing import Tracing

_LAST_MS = 4_102_444_800_000  # the year 2100

Settled = Callable[[datetime], None]


@dataclass(frozen=True, slots=True)
class Decided:
    """An outcome: what it is called, when it was found, and how long its steps took."""

    label: str
    at: datetime
    latencies: Latencies | None = None  # None: the frame was rejected


class Traces:
    """Makes a worker's spans."""

    def __init__(self, tracing: Tracing, worker_id: str) -> None:
        self._tracing, self._worker_id = tracing, worker_id

    def context(self, frame: Frame, record: Record) -> Context:
        """The frame's span `inspect`. A frame that brings no trace begins one here."""
        at, camera = record.partition, parse(frame.traceparent)
        trace_id = camera.trace_id if camera else digest(frame.source, frame.frame_id, digits=32)
        sampled = camera.sampled if camera else self._tracing.samples(trace_id)
        here = (trace_id, self._worker_id, at.topic, at.index, record.offset)
        return Context(trace_id, digest(*here, digits=16), sampled)

    def hand_on(self, frame: Frame, record: Record) -> str | None:
        """The traceparent of what is published for a frame."""
        context = self.context(frame, record)
        return context.header if context.sampled else frame.traceparent

    def settled(self, frame: Frame, ticket: Ticket, decided: Decided) -> Settled | None:
        """What to call when the outcome is published; None when the frame's trace is not kept."""
        context = self.context(frame, ticket.record)
        if not context.sampled:
            return None

        def tell(now: datetime) -> None:
            for span in frame_spans(context, frame, ticket, decided, now):
                self._tracing.tell(span)

        return tell

    def batch(self, items: Iterable[Admitted], version: str, started: float) -> None:
        """A batch is done that was begun at `started` (seconds, monotonic)."""
        contexts = [self.context(item.frame, item.ticket.record) for item in items]
        links = tuple(context for context in contexts if context.sampled)
        if not links:
            return
        now = datetime.now(UTC)
        trace_id = digest(self._worker_id, *(link.span_id for link in links), digits=32)
        attributes: dict[str, str | int | float] = {
            "inspector.batch.size": len(contexts),
            "inspector.model.version": version,
        }
        begun = now - timedelta(seconds=time.monotonic() - started)
        context = Context(trace_id, digest(trace_id, digits=16), sampled=True)
        self._tracing.tell(Span("batch", context, begun, now, attributes=attributes, links=links))


def frame_spans(
    inspect: Context, frame: Frame, ticket: Ticket, decided: Decided, settled: datetime
) -> Iterator[Span]:
    """The spans of one frame, published at `settled`. Clocks of camera and worker may differ."""
    camera, received = parse(frame.traceparent), ticket.received_at
    appended = _moment(ticket.record.timestamp_ms)
    waited = min(max(frame.captured_at, appended), received)  # no clock is from the future
    yield Span("broker", child(inspect, "broker"), waited, received, camera)
    error = None if decided.latencies else decided.label
    yield Span(
        *("inspect", inspect, received, settled, camera),
        kind="consumer",
        attributes=_attributes(frame, ticket.record, decided.label),
        error=error,
    )
    for name, began, ended in _steps(decided, settled):
        yield Span(name, child(inspect, name), began, ended, inspect)


def _moment(timestamp_ms: int) -> datetime:
    """When the broker had the record; a producer may write any number."""
    seconds = min(max(0, timestamp_ms), _LAST_MS) / 1000
    return datetime.fromtimestamp(seconds, UTC)


def _steps(decided: Decided, settled: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Back from the decision: each step began where the one before it ended."""
    yield "publish", decided.at, settled
    if decided.latencies is None:
        return
    end = decided.at
    took = decided.latencies
    steps = {"infer": took.inference_ms, "batch wait": took.batch_wait_ms, "decode": took.decode_ms}
    for name, milliseconds in steps.items():
        began = end - timedelta(milliseconds=milliseconds)
        yield name, began, end
        end = began


def _attributes(frame: Frame, record: Record, label: str) -> dict[str, str | int | float]:
    """Names of OpenTelemetry's conventions where there are any."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.partition.topic,
        "messaging.destination.partition.id": str(record.partition.index),
        "messaging.kafka.offset": record.offset,
        "inspector.frame": frame.frame_id,
        "inspector.camera": frame.camera_id,
        "inspector.category": frame.category,
        "inspector.outcome": label,
    }
