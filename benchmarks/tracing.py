"""`python -m benchmarks.tracing`: what tracing costs a frame in the worker, by whether it is on."""

import time
from datetime import UTC, datetime

from schemas.frame import Frame, new_frame_id
from schemas.outcome import Latencies
from workers.inspector.messages.verdicts import Sender
from workers.inspector.trace import Decided, Traces
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.settings.process import TopicSettings
from workers.runtime.settling.results import Ticket
from workers.runtime.telemetry.spans import Span
from workers.runtime.telemetry.tracing import Tracing

FRAMES, ROUNDS = 5000, 5


def forget(span: Span) -> None:
    """Instead of an exporter."""


def frame(sampled: bool) -> Frame:
    """A frame with a trace of its own."""
    frame_id, now = new_frame_id(), datetime.now(UTC)
    trace = f"00-{frame_id.replace('-', '')}-00f067aa0ba902b7-{sampled:02x}"
    return Frame(frame_id, "line-1", "bolts", 1, now, "image/png", b"", traceparent=trace)


def cost_us(sender: Sender, sampled: bool) -> float:
    """Processor time a frame, the best of some rounds."""
    now = datetime.now(UTC)
    record = Record(Partition("frames", 0), 5, None, None, (), int(now.timestamp() * 1000))
    ticket, frames = Ticket(record, 1, now, 0), [frame(sampled) for _ in range(FRAMES)]
    took = Latencies(queued_ms=1, decode_ms=1, batch_wait_ms=1, inference_ms=1, total_ms=4)
    decided, rounds = Decided("pass", now, took), []
    for _ in range(ROUNDS):
        started = time.process_time()
        for each in frames:
            sender.traceparent(each, record)
            settled = sender.settled(each, ticket, decided)
            if settled is not None:
                settled(now)
        rounds.append((time.process_time() - started) / FRAMES)
    return min(rounds) * 1e6


def main() -> None:
    """Print the three figures."""
    topics = TopicSettings()
    on = Sender("worker", topics, Traces(Tracing(forget, 1.0), "worker"))
    print(f"off             {cost_us(Sender('worker', topics), sampled=True):8.2f} us a frame")
    print(f"on, not sampled {cost_us(on, sampled=False):8.2f} us a frame")
    print(f"on, sampled     {cost_us(on, sampled=True):8.2f} us a frame, without the exporter")


if __name__ == "__main__":
    main()
