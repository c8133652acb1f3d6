"""Real servers and real processes. An independent reader counts, not the workers.

The embedded broker is started for each test that wants one. Apache Kafka is started once for all of
them, whatever the run's processes, or set STREAM_INSPECTOR_TEST_KAFKA=host:port to use a cluster of
yours (topics and groups get names of their own). Without Java or Maven those tests fail with the
command that installs them.
"""

import io
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import PIL.Image as Pil
import pytest
from shared_kafka import shared_kafka

from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import Outcome, outcome_id
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings.process import KafkaSettings

SESSION_MS, HEARTBEAT_MS = 2000, 300  # the embedded broker lets a member join after half a session
PATIENCE_S = 120.0  # for anything to happen while other tests use the processors too


class Stage:
    """Servers, worker processes, a camera and a reader of the outcomes."""

    def __init__(
        self,
        kafka: KafkaSettings,
        redis_url: str | None,
        folder: Path,
        prefix: str = "",
    ):
        self.folder, self.redis_url, self.kafka, self.prefix = folder, redis_url, kafka, prefix
        names = ("frames", "outcomes", "defects", "explanations", "dead-letters", "alarms")
        self.topics = {name.replace("-", "_"): f"{prefix}{name}" for name in names}
        create_topics(self.kafka, dict.fromkeys(self.topics.values(), 4))
        self.producer = connect_producer(self.kafka, "camera")
        outcomes = [self.topics["outcomes"]]
        self.reader = connect_consumer(self.kafka, f"{prefix}reader", outcomes, "reader")
        self.sent: dict[str, Frame] = {}
        self.outcomes: list[Outcome] = []
        self.read_to: dict[Partition, int] = {}
        self.processes: list[subprocess.Popen[bytes]] = []

    def worker(
        self, program: tuple[str, ...] = ("-m", "workers.cli"), **settings: Any
    ) -> subprocess.Popen[bytes]:
        """Start `stream-inspector worker`, or a program that stands in for it."""
        given = {
            "categories.names": "[bolts]",
            "worker.group": f"{self.prefix}inspectors",
            "worker.id": f"worker-{len(self.processes)}",
            "worker.drain_s": 5,
        }
        return self._start("worker", program, given | settings)

    def explainer(
        self, program: tuple[str, ...] = ("-m", "workers.cli"), **settings: Any
    ) -> subprocess.Popen[bytes]:
        """Start `stream-inspector explainer`, or a program that stands in for it."""
        given = {
            "explainer.group": f"{self.prefix}explainers",
            "explainer.id": f"explainer-{len(self.processes)}",
            "explainer.drain_s": 5,
        }
        return self._start("explainer", program, given | settings)

    def _start(
        self, command: str, program: tuple[str, ...], settings: dict[str, Any]
    ) -> subprocess.Popen[bytes]:
        given = {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "kafka.session_timeout_ms": self.kafka.session_timeout_ms,
            "kafka.heartbeat_interval_ms": self.kafka.heartbeat_interval_ms,
            "kafka.transaction_timeout_ms": self.kafka.transaction_timeout_ms,
        }
        given |= {f"topics.{key}": name for key, name in self.topics.items()}
        if self.redis_url:
            given["redis.url"] = self.redis_url
        flags = [part for k, v in (given | settings).items() for part in ("--set", f"{k}={v}")]
        log = (self.folder / f"worker-{len(self.processes)}.log").open("wb")
        full = [sys.executable, *program, command, *flags]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(full, stdout=log, stderr=log, env=environment)
        self.processes.append(process)
        return process

    def log_of(self, process: subprocess.Popen[bytes]) -> str:
        """What a worker has logged so far."""
        return (self.folder / f"worker-{self.processes.index(process)}.log").read_text()

    def send(self, count: int, cameras: int = 8, data: bytes | None = None) -> None:
        """Publish frames, spread over cameras."""
        for _ in range(count):
            number = len(self.sent)
            frame = Frame(
                frame_id=new_frame_id(),
                camera_id=f"line-{number % cameras}",
                category="bolts",
                sequence=number // cameras,
                captured_at=datetime.now(UTC),
                content_type="image/png",
                data=png() if data is None else data,
            )
            self.sent[outcome_id(frame.source, frame.frame_id)] = frame
            self.producer.publish([Outgoing(self.topics["frames"], encode_frame(frame))])

    def read(self) -> None:
        """Take in the outcomes that have arrived; what our reader reads again is no news."""
        for record in self.reader.poll(0.2):
            if record.offset < self.read_to.get(record.partition, 0):
                continue
            self.read_to[record.partition] = record.offset + 1
            self.outcomes.append(Outcome.decode(record.headers, record.value))

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Read until something is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [log.read_text() for log in sorted(self.folder.glob("*.log"))]
                pytest.fail("it did not happen in time:\n" + "\n----\n".join(logs))
            self.read()

    def lost(self) -> set[str]:
        """Frames without an outcome."""
        return set(self.sent) - {outcome.outcome_id for outcome in self.outcomes}

    def duplicated(self) -> list[str]:
        """Frames with two ids or two different outcomes. A repeated id alone is none."""
        seen = {
            (o.frame.frame_id, o.outcome_id, o.verdict, o.rejected)
            for o in self.outcomes
            if o.frame
        }
        counts = Counter(frame_id for frame_id, *_ in seen)
        return [frame_id for frame_id, count in counts.items() if count > 1]

    def repeated(self) -> list[str]:
        """Outcome ids that a committed reader saw more than once."""
        counts = Counter(outcome.outcome_id for outcome in self.outcomes)
        return [outcome_id for outcome_id, count in counts.items() if count > 1]

    def out_of_order(self) -> list[str]:
        """Cameras whose outcomes are not in the order of their frames."""
        sequences: dict[str, list[int]] = {}
        for outcome in self.outcomes:
            if outcome.frame:
                sequences.setdefault(outcome.frame.camera_id, []).append(outcome.frame.sequence)
        return [camera for camera, found in sequences.items() if found != sorted(found)]

    def by(self, worker_id: str) -> int:
        """How many outcomes a worker has published."""
        return sum(outcome.worker_id == worker_id for outcome in self.outcomes)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        self.producer.close()
        self.reader.close()


def png(grey: int = 128) -> bytes:
    """A plain picture."""
    buffer = io.BytesIO()
    Pil.new("L", (64, 64), grey).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        kafka = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        stage = Stage(kafka, store.url, tmp_path)
        yield stage
        stage.close()


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[KafkaSettings]:
    """Apache Kafka for all tests of a run, or the cluster that the environment names."""
    with ExitStack() as stack:
        servers = os.environ.get("STREAM_INSPECTOR_TEST_KAFKA")
        if not servers:
            servers = stack.enter_context(
                shared_kafka(Path(os.environ["XDG_CACHE_HOME"]) / "kafka")
            )
        yield KafkaSettings(
            bootstrap_servers=servers,
            session_timeout_ms=6000,  # the least that a broker allows by default
            heartbeat_interval_ms=1000,
            transaction_timeout_ms=5000,
        )


@pytest.fixture
def prefix() -> str:
    """Of the topics and groups of one test on a shared broker."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def kafka_stage(apache_kafka: KafkaSettings, prefix: str, tmp_path: Path) -> Iterator[Stage]:
    """The stage on Apache Kafka, without Redis: for workers with the null detector."""
    stage = Stage(apache_kafka, None, tmp_path, prefix)
    yield stage
    stage.close()
