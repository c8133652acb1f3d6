"""Embedded servers and real processes. An independent reader counts, not the workers."""

import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import PIL.Image as Pil
import pytest

from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import Outcome, outcome_id
from workers.runtime.bus.kafka import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings import KafkaSettings

SESSION_MS, HEARTBEAT_MS = 2000, 300  # the embedded broker lets a member join after half a session


class Stage:
    """Servers, worker processes, a camera and a reader of the outcomes."""

    def __init__(self, broker: EmbeddedBroker, store: EmbeddedStore, folder: Path):
        self.folder, self.redis_url = folder, store.url
        self.kafka = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        names = ("frames", "outcomes", "defects", "dead-letters", "alarms")
        create_topics(self.kafka, dict.fromkeys(names, 4))
        self.producer = connect_producer(self.kafka, "camera")
        self.reader = connect_consumer(self.kafka, "reader", ["outcomes"], "reader")
        self.sent: dict[str, Frame] = {}
        self.outcomes: list[Outcome] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def worker(self, **settings: Any) -> subprocess.Popen[bytes]:
        """Start `stream-inspector worker` and wait until it joined the group."""
        given = {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "kafka.session_timeout_ms": SESSION_MS,
            "kafka.heartbeat_interval_ms": HEARTBEAT_MS,
            "redis.url": self.redis_url,
            "categories.names": "[bolts]",
            "worker.id": f"worker-{len(self.processes)}",
            "worker.drain_s": 5,
        }
        flags = [part for k, v in (given | settings).items() for part in ("--set", f"{k}={v}")]
        log = (self.folder / f"worker-{len(self.processes)}.log").open("wb")
        command = [sys.executable, "-m", "workers.cli", "worker", *flags]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.processes.append(process)
        return process

    def log_of(self, process: subprocess.Popen[bytes]) -> str:
        """What a worker has logged so far."""
        return (self.folder / f"worker-{self.processes.index(process)}.log").read_text()

    def send(self, count: int, cameras: int = 8, data: bytes | None = None) -> None:
        """Publish frames, spread over cameras."""
        for index in range(count):
            frame = Frame(
                frame_id=new_frame_id(),
                camera_id=f"line-{index % cameras}",
                category="bolts",
                sequence=index // cameras,
                captured_at=datetime.now(UTC),
                content_type="image/png",
                data=png() if data is None else data,
            )
            self.sent[outcome_id(frame.source, frame.frame_id)] = frame
            self.producer.publish([Outgoing("frames", encode_frame(frame))])

    def read(self) -> None:
        """Take in the outcomes that have arrived."""
        for record in self.reader.poll(0.2):
            self.outcomes.append(Outcome.decode(record.headers, record.value))

    def until(self, condition: Callable[[], bool], seconds: float = 40.0) -> None:
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


def png() -> bytes:
    """A grey picture."""
    buffer = io.BytesIO()
    Pil.new("L", (64, 64), 128).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        stage = Stage(broker, store, tmp_path)
        yield stage
        stage.close()
