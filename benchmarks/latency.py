"""Are defects answered as fast as good parts? `make bench-latency`, on two idle cores.

A worker with the demo's model on Apache Kafka, an explainer beside it, frames by chance (Poisson)
or at equal intervals (`--steady`, as one camera on a belt sends them) at a share of what the
worker can do. From capture until a reader has the committed outcome.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.stage import BATCH, PARTITIONS, PATIENCE_S, TOPICS, activate, frame, worker_flags
from schemas.outcome import Outcome, Verdict
from stream_inspector.detector import Detector
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.version import Model
from stream_inspector.synthetic import render
from stream_inspector.synthetic.defects import DEFECTS
from workers.demo.settings import SYNTHETIC_CATEGORY
from workers.demo.stage.model_source import shipped_model
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.inspector.settings import WorkerSection
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.ports import Consumer, Producer
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import KafkaSettings, RedisSettings

DISTINCT = 24  # pictures of either kind
_BURST = 200  # frames that show what the worker can do
_WITHIN = 0.10  # defects may be slower by so much


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds from capture to the committed outcome."""

    frames: int
    median: float
    p95: float
    worst: float

    @classmethod
    def of(cls, took: Sequence[float]) -> "Times":
        """Of one or more."""
        ordered = sorted(took)
        last = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        return cls(len(ordered), statistics.median(ordered), last, ordered[-1])


@dataclass(frozen=True, slots=True)
class Found:
    """What a run measured."""

    passes: Times
    defects: Times
    ratio: float  # of the two at 95 %
    bound_ms: float  # twice the detector's time at batch 1, and the batch age
    capacity: float  # frames a second
    rate: float

    @property
    def held(self) -> bool:
        """Whether defects are as fast as passes, and both below the bound."""
        near = abs(self.ratio - 1) <= _WITHIN
        return near and max(self.passes.p95, self.defects.p95) < self.bound_ms


def main() -> None:
    """Measure, print one table, and say whether the aim is held."""
    arguments = _arguments()
    model = shipped_model(SYNTHETIC_CATEGORY)
    if model is None:
        raise SystemExit("no shipped model: see configs/models/README.md")
    found = measured(model, arguments)
    _print(found, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps({**asdict(found), "held": found.held}) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of load (default 120)")
    parser.add_argument("--load", type=float, default=0.6, help="share of the capacity")
    parser.add_argument("--defects", type=float, default=0.2, help="share of the frames")
    parser.add_argument("--steady", action="store_true", help="frames at equal intervals")
    parser.add_argument("--no-explainer", action="store_true", help="the worker alone")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


def measured(model: Model, arguments: argparse.Namespace) -> Found:
    """Start the stage, find its capacity, load it. Raises SystemExit when it does not answer."""
    good, bad = _pictures(bad=False), _pictures(bad=True)
    bound_ms = 2 * _alone_ms(model, good[0]) + WorkerSection().batch_age_ms
    with _stage(model, explains=not arguments.no_explainer) as (kafka, outcomes, producer):
        _send(producer, 0, good[:BATCH])  # whatever comes first is slow
        _latencies(outcomes, BATCH)
        start = time.monotonic()
        _send(producer, BATCH, [good[i % DISTINCT] for i in range(_BURST)])
        _latencies(outcomes, _BURST)
        capacity = _BURST / (time.monotonic() - start)
        rate = arguments.load * capacity
        chance = random.Random(7)  # noqa: S311
        count = max(50, int(rate * arguments.seconds))
        frames = [
            chance.choice(bad if chance.random() < arguments.defects else good)
            for _ in range(count)
        ]
        intervals = [
            1 / rate if arguments.steady else chance.expovariate(rate) for _ in range(count)
        ]
        camera = threading.Thread(target=_play, args=(kafka, frames, intervals), daemon=True)
        camera.start()
        took = _latencies(outcomes, count)
    passes, defects = (
        Times.of([ms for verdict, ms in took if (verdict is Verdict.DEFECT) is defective])
        for defective in (False, True)
    )
    return Found(passes, defects, defects.p95 / passes.p95, bound_ms, capacity, rate)


def _pictures(*, bad: bool) -> list[bytes]:
    kinds = sorted(DEFECTS)
    return [
        encode_png(render(i, 11, kinds[i % len(kinds)] if bad else None).image)
        for i in range(DISTINCT)
    ]


def _alone_ms(model: Model, png: bytes) -> float:
    """The detector's time at batch 1."""
    detector, view = Detector(model), model.view()
    image, took = decode(png, "image/png", view, DecodeLimits()).image, list[float]()
    for _ in range(20):
        start = time.perf_counter()
        detector.inspect([image], [view.canvas[::-1]])
        took.append(1000 * (time.perf_counter() - start))
    return statistics.median(took)


@contextmanager
def _stage(model: Model, *, explains: bool) -> Iterator[tuple[KafkaSettings, Consumer, Producer]]:
    with ExitStack() as stack:
        broker = stack.enter_context(ApacheKafka())
        store = stack.enter_context(EmbeddedStore())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        redis = RedisSettings(url=store.url)
        create_topics(kafka, dict.fromkeys(TOPICS.names(), PARTITIONS))
        activate(model, folder, redis)
        children = {
            port: Child(name, [name, *flags(given)], folder, 20.0)
            for name, port, given in _processes(kafka, redis, folder, explains=explains)
        }
        for child in children.values():
            stack.callback(child.stop)
        if (late := wait_until_ready(children, PATIENCE_S, StopSignal())) is not None:
            raise SystemExit(f"a process did not become ready:\n{late.tail()}")
        outcomes = connect_consumer(kafka, "bench", [TOPICS.outcomes], "bench")
        stack.callback(outcomes.close)
        producer = connect_producer(kafka, "bench-camera")
        stack.callback(producer.close)
        yield kafka, outcomes, producer


def _processes(
    kafka: KafkaSettings, redis: RedisSettings, folder: Path, *, explains: bool
) -> Iterator[tuple[str, int, dict[str, object]]]:
    """Command, health port and settings of each."""
    port = free_port()
    worker = worker_flags(kafka, redis, folder, port, null=False)
    yield "worker", port, worker
    if explains:
        port = free_port()
        shared = {k: v for k, v in worker.items() if k.startswith(("kafka.", "redis."))}
        own = {"models.store": folder / "models", "evidence.url": folder / "evidence"}
        yield "explainer", port, {**shared, **own, "health.port": port}


def _send(producer: Producer, first: int, pictures: Sequence[bytes]) -> None:
    producer.publish(frame(first + i, png) for i, png in enumerate(pictures))


def _play(kafka: KafkaSettings, pictures: Sequence[bytes], intervals: Sequence[float]) -> None:
    """Send each frame so many seconds after the one before."""
    producer, due = connect_producer(kafka, "bench-line"), time.monotonic()
    for number, (png, interval) in enumerate(zip(pictures, intervals, strict=True), BATCH + _BURST):
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))
        _send(producer, number, [png])
    producer.close()


def _latencies(outcomes: Consumer, count: int) -> list[tuple[Verdict | None, float]]:
    """Verdict and milliseconds from capture until it was read, of the next outcomes."""
    found = list[tuple[Verdict | None, float]]()
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        for record in outcomes.poll(0.1):
            outcome, now = Outcome.decode(record.headers, record.value), time.time()
            if outcome.frame is not None:
                took = 1000 * (now - outcome.frame.captured_at.timestamp())
                found.append((outcome.verdict, took))
            deadline = time.monotonic() + PATIENCE_S
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(found)} of {count} outcomes came")
    return found


def _print(found: Found, arguments: argparse.Namespace) -> None:
    beside = "no explainer" if arguments.no_explainer else "an explainer beside it"
    how = "at equal intervals" if arguments.steady else "by chance"
    title = (
        f"{found.rate:.1f} frames/s {how}, {arguments.load:.0%} of {found.capacity:.1f}; {beside}; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    table = Table("outcome", "frames", "median ms", "95 % ms", "worst ms", title=title)
    for name, each in (("pass", found.passes), ("defect", found.defects)):
        shown = (each.median, each.p95, each.worst)
        table.add_row(name, str(each.frames), *(f"{ms:.0f}" for ms in shown))
    console = Console(width=110)
    console.print(table)
    console.print(
        f"defect / pass at 95 %: {found.ratio:.2f} (aim: 0.90 to 1.10); both below "
        f"{found.bound_ms:.0f} ms, twice the detector at batch 1 and the batch age: "
        f"{'held' if found.held else 'not held'}"
    )


if __name__ == "__main__":
    main()
