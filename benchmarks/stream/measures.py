"""What `benchmarks.stream.__main__` measures. Each function gives the rows of one table."""

import io
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil
from kafka import KafkaConsumer, TopicPartition

from benchmarks.stream.line import Line, line, picture
from schemas.documents.samples import OUTCOME
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.view.canvas import View
from workers.runtime.bus.kafka.connect import connect_consumer, create_topics
from workers.runtime.bus.kafka.delivery import Guarantee, connect_delivery
from workers.runtime.bus.ports import Consumer, Outgoing, Partition, Positions
from workers.runtime.settings.process import KafkaSettings

DELIVERIES: tuple[Guarantee, ...] = ("exactly-once", "at-least-once")
WAIT_MS = 50  # of the detector that waits
_CANVAS = View((256, 256))  # of the null detector
_JOIN_S = 60.0
_IDLE_S = 5.0
_WARM_UP = 100  # publications


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-milliseconds a frame."""

    kind: str  # png or jpeg
    size: int  # bytes of a frame
    delivery: str
    workers: int
    worker_ms: float
    decode_ms: float  # what of it is decoding and resizing
    bare_ms: float  # the bare loop, over the same records directly afterwards
    per_second: float  # frames, all workers
    idle_ms: float  # CPU-milliseconds a second of a worker without frames

    @property
    def ratio(self) -> float:
        """Worker over bare loop."""
        return self.worker_ms / self.bare_ms


@dataclass(frozen=True, slots=True)
class Rate:
    """Throughput with a detector that waits."""

    workers: int
    per_second: float
    ideal: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one publication."""

    delivery: str
    messages: int
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A worker in the course of a soak."""

    minutes: float
    frames: int  # outcomes read so far
    rss_mib: float
    cpu_ms: float  # a frame, since the sample before


def costs(
    kafka: KafkaSettings,
    kinds: Sequence[str],
    sizes: Sequence[int],
    workers: Sequence[int],
    volume: int,
) -> Iterator[Cost]:
    """A null detector, bursts of `volume` bytes, at least 16 frames."""
    pictures = {(kind, size): picture(size, kind) for kind in kinds for size in sizes}
    for delivery in DELIVERIES:
        for count in workers:
            with line(kafka, count, **{"worker.delivery": delivery}) as each:
                idle = _idle_ms(each, count)
                for (kind, size), data in pictures.items():
                    frames = [data] * max(16, volume // size)
                    start = _ends(each)
                    spent = each.measure(frames)
                    bare = _bare_ms(each, start, len(frames))
                    yield Cost(
                        kind,
                        size,
                        delivery,
                        count,
                        worker_ms=spent.cpu_ms,
                        decode_ms=_decode_ms(data),
                        bare_ms=bare,
                        per_second=spent.frames / spent.seconds,
                        idle_ms=idle,
                    )


def scaling(kafka: KafkaSettings, workers: Sequence[int], seconds: float) -> Iterator[Rate]:
    """Batches of one frame, each of which takes the detector 50 ms."""
    settings = {"models.null_detector_ms": WAIT_MS, "worker.batch_max": 1}
    for count in workers:
        ideal = count * 1000 / WAIT_MS
        frames = [picture(50_000)] * round(ideal * seconds)
        with line(kafka, count, **settings) as each:
            spent = each.measure(frames)
        yield Rate(count, spent.frames / spent.seconds, ideal)


def latencies(kafka: KafkaSettings, batches: Sequence[int], repeats: int) -> Iterator[Latency]:
    """Outcomes and a position, as a worker publishes them, one publication after the other."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    frames, outcomes = f"{prefix}-frames", f"{prefix}-outcomes"
    create_topics(kafka, {frames: 1, outcomes: 4})
    consumer = connect_consumer(kafka, prefix, [frames], "bench")
    _join(consumer)
    for delivery in DELIVERIES:
        publisher = connect_delivery(
            kafka, prefix, "bench", consumer, _nothing_to_commit, guarantee=delivery
        )
        for _ in range(_WARM_UP):  # a broker that has just started compiles what it runs
            message = Outgoing(outcomes, OUTCOME.encode())
            publisher.settle([message], {Partition(frames, 0): 0}, consumer.generation())
        for batch in batches:
            messages = [Outgoing(outcomes, OUTCOME.encode()) for _ in range(batch)]
            took = []
            for offset in range(repeats + 1):
                start = time.perf_counter()
                publisher.settle(messages, {Partition(frames, 0): offset}, consumer.generation())
                took.append(1000 * (time.perf_counter() - start))
            steady = took[1:]  # the first one meets the broker's metadata
            p95 = float(np.percentile(steady, 95))
            yield Latency(delivery, batch, statistics.median(steady), p95)
        publisher.close()
    consumer.close()


def soak(
    kafka: KafkaSettings, seconds: float, rate: float, every_s: float, tell: Callable[[str], None]
) -> list[Sample]:
    """One worker at a steady rate; every 20th frame is large, every 50th damaged."""
    small, large = picture(50_000), picture(500_000)
    samples: list[Sample] = []
    with line(kafka, 1, **{"worker.delivery": "exactly-once"}) as each:
        start, first, sent = time.monotonic(), len(each.seen), 0
        before = (each.cpu_s(), first)
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(elapsed * rate)
            if due > sent:
                each.send([_mixed(n, small, large) for n in range(sent, due)])
                sent = due
            each.read()
            if elapsed >= every_s * len(samples):
                sample, before = _sampled(each, elapsed, first, before)
                samples.append(sample)
                tell(f"{sample.minutes:.1f} min, {sample.frames} frames, {sample.rss_mib:.1f} MiB")
        each.wait()
        repeated = sum(count > 1 for count in each.seen.values())
        if repeated:
            raise SystemExit(f"{repeated} outcomes came more than once")
    return samples


def drift_mib(samples: Sequence[Sample]) -> float:
    """How much more memory the last quarter takes than the third one (medians)."""
    quarter = max(1, len(samples) // 4)
    third, last = samples[-2 * quarter : -quarter], samples[-quarter:]
    return statistics.median(s.rss_mib for s in last) - statistics.median(s.rss_mib for s in third)


def _sampled(
    each: Line, elapsed: float, first: int, before: tuple[float, int]
) -> tuple[Sample, tuple[float, int]]:
    now = (each.cpu_s(), len(each.seen))
    cpu_ms = 1000 * (now[0] - before[0]) / max(now[1] - before[1], 1)
    return Sample(elapsed / 60, now[1] - first, each.rss_mib(), cpu_ms), now


def _mixed(number: int, small: bytes, large: bytes) -> bytes:
    if number % 50 == 49:
        return small[:5000]
    return large if number % 20 == 19 else small


def _nothing_to_commit(positions: Positions) -> None:
    """At least once, the consumer's thread commits later."""


def _join(consumer: Consumer) -> None:
    deadline = time.monotonic() + _JOIN_S
    while not consumer.stable():
        consumer.poll(0.1)
        if time.monotonic() > deadline:
            raise SystemExit("the benchmark's own consumer found no group")


def _idle_ms(each: Line, workers: int) -> float:
    before = each.cpu_s()
    time.sleep(_IDLE_S)
    return 1000 * (each.cpu_s() - before) / _IDLE_S / workers


def _decode_ms(data: bytes) -> float:
    repeats = max(3, 2_000_000 // len(data))
    start = time.process_time()
    for _ in range(repeats):
        decode(data, "image/png", _CANVAS, DecodeLimits())
    return 1000 * (time.process_time() - start) / repeats


def _ends(each: Line) -> dict[TopicPartition, int]:
    """Where the frames end now."""
    consumer, partitions = _bare_consumer(each)
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    consumer.close()
    return ends


def _bare_ms(each: Line, start: dict[TopicPartition, int], frames: int) -> float:
    """CPU-milliseconds a frame of a loop that reads committed records and decodes them."""
    consumer, partitions = _bare_consumer(each)
    consumer.assign(partitions)
    for partition, offset in start.items():
        consumer.seek(partition, offset)
        consumer.position(partition)
    seen, before = 0, time.process_time()
    while seen < frames:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                Pil.open(io.BytesIO(record.value)).convert("RGB")
                seen += 1
    spent = time.process_time() - before
    consumer.close()
    return 1000 * spent / frames


def _bare_consumer(each: Line) -> tuple[KafkaConsumer, list[TopicPartition]]:
    consumer = KafkaConsumer(
        bootstrap_servers=each.kafka.bootstrap_servers, isolation_level="read_committed"
    )
    topic = each.topics.frames
    return consumer, [
        TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))
    ]
