"""Camera and notifier as real processes on the embedded broker: stopped, killed, started again."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.documents import samples
from schemas.frame import decode_frame
from schemas.message import Message
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            session_timeout_ms=2000,  # the embedded broker holds a join for half of it
            heartbeat_interval_ms=300,
        )


@pytest.fixture(params=["embedded", "apache"])
def either_kafka(request: pytest.FixtureRequest) -> KafkaSettings:
    """On Apache Kafka with the names of topics as they are: no other test there uses those."""
    names = {"embedded": "kafka", "apache": "apache_kafka"}
    settings: KafkaSettings = request.getfixturevalue(names[request.param])
    return settings


def start(kafka: KafkaSettings, *arguments: str) -> subprocess.Popen[bytes]:
    common = [
        "--bootstrap-servers",
        kafka.bootstrap_servers,
        f"--set=kafka.session_timeout_ms={kafka.session_timeout_ms}",
        f"--set=kafka.heartbeat_interval_ms={kafka.heartbeat_interval_ms}",
    ]
    return subprocess.Popen([sys.executable, "-m", "workers.cli", *arguments, *common])


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_stopped_camera_has_sent_what_its_book_says(kafka: KafkaSettings, tmp_path: Path) -> None:
    book = tmp_path / "sent.jsonl"
    small = ("--set=camera.synthetic.width=64", "--set=camera.synthetic.height=64")
    create_topics(kafka, {"frames": 2})
    camera = start(kafka, "camera", "--rate", "50", "--sent-log", str(book), *small)
    until(lambda: len(lines(book)) >= 20)
    camera.send_signal(signal.SIGTERM)
    assert camera.wait(30) == 0
    sent = [line["frame_id"] for line in lines(book)]
    consumer = connect_consumer(kafka, "reader", ["frames"], "reader")
    found: list[str] = []

    def all_found() -> bool:
        records = consumer.poll(0.2)  # a poll as long as the broker holds a join never ends it
        found.extend(decode_frame(record.headers, record.value).frame_id for record in records)
        return len(found) >= len(sent)

    until(all_found)
    assert found == sent
    consumer.close()


def event(message: Message, number: int) -> Message:
    """A sample of now, about frame `number`."""
    frame = samples.OUTCOME.frame
    assert frame is not None
    ref = frame.model_copy(update={"frame_id": f"f{number}", "sequence": number})
    changes = {"outcome_id": f"{number:032x}", "frame": ref, "decided_at": datetime.now(UTC)}
    return message.model_copy(update=changes)


class Inspector:
    """Publishes what an inspector would, of now."""

    def __init__(self, kafka: KafkaSettings) -> None:
        create_topics(kafka, dict.fromkeys(("outcomes", "defects", "dead-letters", "alarms"), 1))
        self._producer = connect_producer(kafka, "inspector")

    def publish(self, topic: str, sample: Message, *numbers: int) -> None:
        events = [event(sample, number) for number in numbers]
        self._producer.publish(Outgoing(topic, message.encode()) for message in events)


def test_a_killed_notifier_tells_everything_with_the_same_ids(
    either_kafka: KafkaSettings, tmp_path: Path
) -> None:
    kafka = either_kafka
    file, inspector = tmp_path / "alarms.jsonl", Inspector(kafka)
    folders = ("--folder", str(tmp_path / "state"), "--file", str(file))
    times = ("--set=notifier.rules.window_s=4", "--set=notifier.watch.gap_grace_s=0.5")
    notifier = start(kafka, "notifier", *folders, *times)
    inspector.publish("outcomes", samples.OUTCOME, 1, 2)
    inspector.publish("defects", samples.DEFECT, 1, 2, 3)
    until(lambda: len(lines(file)) == 1)
    time.sleep(1.5)  # the outcomes' position is committed, the defects' waits for its window
    notifier.kill()
    notifier.wait()
    inspector.publish("outcomes", samples.OUTCOME, 4)
    notifier = start(kafka, "notifier", *folders, *times)
    until(lambda: {alarm["count"] for alarm in lines(file)} == {1, 2})
    notifier.send_signal(signal.SIGTERM)
    assert notifier.wait(30) == 0
    distinct = {alarm["alarm_id"]: alarm for alarm in lines(file)}.values()
    told = [frame for alarm in distinct for frame in alarm["frame_ids"]]
    assert sorted(told) == ["f1", "f2", "f3"]
    gaps = [alarm["message"] for alarm in distinct if alarm["cause"] == "sequence-gap"]
    assert len(gaps) == 1
    assert "sequence 3" in gaps[0]
