"""A line to measure on: workers with a null detector, a camera, a reader of committed outcomes."""

import io
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import PIL.Image as Pil
import psutil
from kafka import KafkaProducer

from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import Outcome
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.runtime.bus.kafka.connect import connect_consumer, create_topics
from workers.runtime.bus.kafka.writing.producer import producer_options, write_all
from workers.runtime.bus.ports import Outgoing
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import KafkaSettings, TopicSettings

PARTITIONS = 8
_PATIENCE_S = 180.0
_SEND_S = 60.0
_CATEGORY = "bolts"
_NOISE = 4.0  # grey levels: a well-lit camera's; its PNG has about 1.7 bytes a pixel


@dataclass(frozen=True, slots=True)
class Spent:
    """What the workers needed for some frames."""

    frames: int
    cpu_s: float  # user and system, all workers
    seconds: float  # from the moment that the frames are visible to the last outcome

    @property
    def cpu_ms(self) -> float:
        """CPU-milliseconds a frame."""
        return 1000 * self.cpu_s / self.frames


class Line:
    """Topics of its own, one camera, one reader of committed outcomes, some workers."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        prefix = f"bench-{uuid.uuid4().hex[:8]}"
        names = {each: f"{prefix}-{each}" for each in ("frames", "outcomes", "defects", "alarms")}
        names |= {f"{each}s": f"{prefix}-{each}s" for each in ("dead_letter", "resolution")}
        self.kafka, self.topics = kafka, TopicSettings(**names)  # type: ignore[arg-type]
        self._folder, self._group = folder, f"{prefix}-inspectors"
        create_topics(kafka, dict.fromkeys(self.topics.names(), PARTITIONS))
        self._camera = KafkaProducer(
            **producer_options(kafka, "bench-camera"),
            transactional_id=f"{prefix}-camera",
            transaction_timeout_ms=int(_SEND_S * 1000),
        )
        self._camera.init_transactions()
        outcomes = [self.topics.outcomes]
        self._reader = connect_consumer(kafka, f"{prefix}-reader", outcomes, "reader")
        self.children: dict[int, Child] = {}  # health port -> worker
        self.sent = 0
        self.seen: Counter[str] = Counter()  # outcome id -> how often it was read
        self.by: Counter[str] = Counter()  # worker -> outcomes

    def start(self, workers: int, **settings: object) -> None:
        """Start workers; returns when each of them has inspected something."""
        for number in range(workers):
            port, name = free_port(), f"worker-{number}"
            given = {
                "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
                "categories.names": [_CATEGORY],
                "models.null_detector_ms": 0,
                "worker.group": self._group,
                "worker.id": name,
                "health.port": port,
            }
            given |= {f"topics.{key}": name for key, name in self._topic_names().items()}
            arguments = ["worker", *flags(given | settings)]
            self.children[port] = Child(name, arguments, self._folder, 20.0)
        late = wait_until_ready(self.children, _PATIENCE_S, StopSignal())
        if late is not None:
            raise SystemExit(f"a worker did not become ready:\n{late.tail()}")
        self.measure([picture(4096)] * PARTITIONS)
        while len(self.by) < workers:  # the group is still sharing its partitions
            self.measure([picture(4096)] * PARTITIONS)

    def _topic_names(self) -> dict[str, str]:
        return {
            key: name for key, name in self.topics.model_dump().items() if isinstance(name, str)
        }

    def measure(self, pictures: Sequence[bytes]) -> Spent:
        """Send frames, wait for their outcomes, and say what the workers needed.

        All frames become visible at once, by the commit of the camera's transaction: workers that
        wait for a slow camera would be charged for polling.
        """
        with self._sending(pictures):
            before, start = self.cpu_s(), time.monotonic()
        self.wait()
        return Spent(len(pictures), self.cpu_s() - before, time.monotonic() - start)

    def send(self, pictures: Sequence[bytes]) -> None:
        """Send frames, as one transaction."""
        with self._sending(pictures):
            pass

    @contextmanager
    def _sending(self, pictures: Sequence[bytes]) -> Iterator[None]:
        self._camera.begin_transaction()
        write_all(self._camera, self._frames(pictures), _SEND_S)
        yield
        self._camera.commit_transaction()
        self.sent += len(pictures)

    def _frames(self, pictures: Iterable[bytes]) -> Iterator[Outgoing]:
        for index, data in enumerate(pictures, self.sent):
            camera = index % PARTITIONS
            frame = Frame(
                frame_id=new_frame_id(),
                camera_id=f"cam-{camera}",
                category=_CATEGORY,
                sequence=index // PARTITIONS,
                captured_at=datetime.now(UTC),
                content_type=_content_type(data),
                data=data,
            )
            yield Outgoing(self.topics.frames, encode_frame(frame), partition=camera)

    def wait(self) -> None:
        """Read until every frame that was sent has its outcome; give up when none comes."""
        deadline = time.monotonic() + _PATIENCE_S
        while (before := len(self.seen)) < self.sent:
            self.read()
            if len(self.seen) > before:
                deadline = time.monotonic() + _PATIENCE_S
            if time.monotonic() > deadline:
                tails = "\n".join(child.tail() for child in self.children.values())
                raise SystemExit(f"{len(self.seen)} of {self.sent} outcomes came:\n{tails}")

    def read(self) -> None:
        """Take in the outcomes that have arrived."""
        for record in self._reader.poll(0.1):
            outcome = Outcome.decode(record.headers, record.value)
            self.seen[outcome.outcome_id] += 1
            self.by[outcome.worker_id] += 1

    def cpu_s(self) -> float:
        """User and system seconds so far of all workers."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def rss_mib(self) -> float:
        """Resident memory of all workers (MiB)."""
        return float(sum(process.memory_info().rss for process in self._processes()) / 2**20)

    def _processes(self) -> list[psutil.Process]:
        """The workers and their decoders; a guard stands between."""
        commands = {each: each.cmdline() for each in psutil.Process().children(recursive=True)}
        ours = {"workers.cli", "workers.runtime.decoders.child"}
        return [p for p, c in commands.items() if ours & {*c} and "--grace" not in c]

    def close(self) -> None:
        """Stop everything."""
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.stop()
        self._reader.close()
        self._camera.close(timeout=5)


@contextmanager
def line(kafka: KafkaSettings, workers: int, **settings: object) -> Iterator[Line]:
    """A line that runs."""
    with tempfile.TemporaryDirectory() as folder:
        made = Line(kafka, Path(folder))
        try:
            made.start(workers, **settings)
            yield made
        finally:
            made.close()


def picture(size: int, kind: str = "png") -> bytes:
    """A file of about `size` bytes: a shaded plate with a camera's noise, three channels."""
    trial = _encoded(512, kind)
    return _encoded(max(8, round(512 * (size / len(trial)) ** 0.5)), kind)


def _encoded(side: int, kind: str) -> bytes:
    noise = np.random.default_rng(7).normal(0.0, _NOISE, (side, side, 3))
    shade = np.linspace(90.0, 160.0, side)[:, None, None]
    buffer = io.BytesIO()
    Pil.fromarray((shade + noise).clip(0, 255).astype(np.uint8)).save(buffer, kind, quality=90)
    return buffer.getvalue()


def _content_type(data: bytes) -> str:
    return "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"
