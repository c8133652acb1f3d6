"""Topics that somebody else has to create: named while missing, used once they are there."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.envelope import WireMessage
from workers.runtime.bus.kafka.connect import connect_admin, connect_producer, create_topics
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import TopicMissing
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

NAMES = ("frames", "outcomes", "defects", "dead-letters", "alarms")


class Process:
    """A process of the stage that may not create topics."""

    def __init__(self, kafka: KafkaSettings, prefix: str, folder: Path, *words: str, **more: Any):
        (self.port,) = free_ports(1)
        self.log = folder / f"{words[0]}.log"
        given: dict[str, Any] = {
            "kafka.bootstrap_servers": kafka.bootstrap_servers,
            "kafka.session_timeout_ms": kafka.session_timeout_ms,
            "kafka.heartbeat_interval_ms": kafka.heartbeat_interval_ms,
            "kafka.transaction_timeout_ms": kafka.transaction_timeout_ms,
            "kafka.request_timeout_ms": 2000,
            "kafka.delivery_timeout_ms": 3000,
            "topics.create": "false",
        }
        given |= {f"topics.{name.replace('-', '_')}": f"{prefix}{name}" for name in NAMES}
        if words[0] != "camera":
            given["health.port"] = self.port
        given |= {"health.port": self.port} | more
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", *words, *flags],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                cwd=Path(__file__).parents[3],
            )

    def ready(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=2
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until(self, condition: Callable[[int, str], bool], seconds: float = 60.0) -> str:
        deadline = time.monotonic() + seconds
        while True:
            status, said = self.ready()
            if condition(status, said):
                return said
            alive = self.process.poll() is None
            assert alive and time.monotonic() < deadline, f"{said}\n{self.log.read_text()}"
            time.sleep(0.2)

    def until_named(self, topic: str) -> None:
        said = self.until(lambda status, said: status == 503 and topic in said)
        assert "away" not in said

    def until_ready(self) -> None:
        self.until(lambda status, _: status == 200)

    def said(self, words: str) -> int:
        return self.log.read_text().count(words)


Start = Callable[..., Process]


@pytest.fixture
def start(apache_kafka: KafkaSettings, prefix: str, tmp_path: Path) -> Iterator[Start]:
    made: list[Process] = []

    def begin(*words: str, **more: Any) -> Process:
        made.append(Process(apache_kafka, prefix, tmp_path, *words, **more))
        return made[-1]

    yield begin
    for each in made:
        each.process.send_signal(signal.SIGKILL)
        each.process.wait()


def make(kafka: KafkaSettings, prefix: str, *names: str) -> None:
    create_topics(kafka, {f"{prefix}{name}": 1 for name in names})


def delete(kafka: KafkaSettings, topic: str) -> None:
    with contextlib.closing(connect_admin(kafka)) as admin:
        admin.delete_topics([topic])


def outcomes(kafka: KafkaSettings, prefix: str) -> int:
    return len(list(read_topic(kafka, f"{prefix}outcomes")))


NULL = {"models.null_detector_ms": 0, "categories.names": "[synthetic]"}


def send(start: Start, count: int) -> None:
    camera = start("camera", **{"camera.frames": count, "camera.rate": 50})
    assert camera.process.wait(60) == 0, camera.log.read_text()


def test_a_worker_names_the_missing_topic_and_begins_when_it_is_there(
    apache_kafka: KafkaSettings, prefix: str, start: Start
) -> None:
    make(apache_kafka, prefix, "outcomes", "defects", "dead-letters")
    worker = start("worker", **NULL, **{"worker.group": f"{prefix}w"})
    worker.until_named(f"{prefix}frames")
    time.sleep(3)
    assert worker.said("topic missing") == 1  # not once a poll
    make(apache_kafka, prefix, "frames")
    worker.until_ready()
    send(start, 5)
    worker.until(lambda *_: outcomes(apache_kafka, prefix) >= 5)


def test_a_worker_whose_topic_is_deleted_says_so_and_reads_its_successor(
    apache_kafka: KafkaSettings, prefix: str, start: Start
) -> None:
    make(apache_kafka, prefix, *NAMES)
    worker = start("worker", **NULL, **{"worker.group": f"{prefix}w"})
    worker.until_ready()
    send(start, 5)
    worker.until(lambda *_: outcomes(apache_kafka, prefix) >= 5)
    delete(apache_kafka, f"{prefix}frames")
    worker.until_named(f"{prefix}frames")
    make(apache_kafka, prefix, "frames")
    worker.until_ready()
    send(start, 3)
    worker.until(lambda *_: outcomes(apache_kafka, prefix) >= 8)
    assert worker.process.poll() is None


@pytest.mark.parametrize("missing", ["outcomes", "defects", "dead-letters"])
def test_a_worker_names_a_topic_that_it_could_not_write_to(
    apache_kafka: KafkaSettings, prefix: str, start: Start, missing: str
) -> None:
    make(apache_kafka, prefix, *(set(NAMES) - {missing}))
    worker = start("worker", **NULL, **{"worker.group": f"{prefix}w"})
    worker.until_named(f"{prefix}{missing}")
    make(apache_kafka, prefix, missing)
    worker.until_ready()
    send(start, 2)
    worker.until(lambda *_: outcomes(apache_kafka, prefix) >= 2)


def test_a_notifier_names_the_missing_topic(
    apache_kafka: KafkaSettings, prefix: str, start: Start, tmp_path: Path
) -> None:
    make(apache_kafka, prefix, "outcomes", "dead-letters", "alarms")
    own = {"notifier.group": f"{prefix}n", "notifier.folder": tmp_path / "n"}
    notifier = start("notifier", **own)
    notifier.until_named(f"{prefix}defects")
    assert notifier.said("topic missing") == 1
    make(apache_kafka, prefix, "defects")
    notifier.until_ready()
    delete(apache_kafka, f"{prefix}outcomes")
    notifier.until_named(f"{prefix}outcomes")


def test_a_camera_names_the_missing_topic_and_sends_what_it_kept(
    apache_kafka: KafkaSettings, prefix: str, start: Start
) -> None:
    camera = start("camera", **{"camera.frames": 3, "camera.rate": 50})
    camera.until_named(f"{prefix}frames")
    assert camera.said("topic missing")
    assert not camera.said("broker away")
    make(apache_kafka, prefix, "frames")
    assert camera.process.wait(60) == 0
    assert len(list(read_topic(apache_kafka, f"{prefix}frames"))) == 3


def test_a_topic_deleted_under_a_producer_is_named(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    kafka = apache_kafka.model_copy(
        update={"request_timeout_ms": 1000, "delivery_timeout_ms": 2000}
    )
    topic = f"{prefix}gone"
    make(kafka, prefix, "gone")
    message = Outgoing(topic, WireMessage(b"k", b"v", ()))
    with contextlib.closing(connect_producer(kafka, "p")) as producer:
        producer.publish([message])
        delete(kafka, topic)
        with pytest.raises(TopicMissing, match=topic):
            for _ in range(5):
                producer.publish([message])
                time.sleep(0.2)
        make(kafka, prefix, "gone")
        producer.publish([message])
    assert len(list(read_topic(kafka, topic))) == 1
