"""Camera and notifier as real processes on the embedded broker: stopped, killed, started again."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.documents import samples
from schemas.frame import Frame, decode_frame
from schemas.message import Message
from schemas.outcome import FrameRef, RecordRef, content_digest, outcome_id
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import (
    connect_admin,
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow]


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


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
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
    assert camera.wait(PATIENCE_S) == 0
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

    def send(self, *outcomes: Message) -> None:
        self._producer.publish(Outgoing("outcomes", message.encode()) for message in outcomes)


def test_a_killed_notifier_tells_everything_with_the_same_ids(
    either_kafka: KafkaSettings, tmp_path: Path
) -> None:
    kafka = either_kafka
    file, inspector = tmp_path / "alarms.jsonl", Inspector(kafka)
    folders = ("--folder", str(tmp_path / "state"), "--file", str(file))
    times = ("--set=notifier.rules.window_s=4", "--set=notifier.watch.gap_grace_s=0.5", NO_WAIT)
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
    assert notifier.wait(PATIENCE_S) == 0
    distinct = {alarm["alarm_id"]: alarm for alarm in lines(file)}.values()
    told = [frame for alarm in distinct for frame in alarm["frame_ids"]]
    assert sorted(told) == ["f1", "f2", "f3"]
    gaps = [alarm["message"] for alarm in distinct if alarm["cause"] == "sequence-gap"]
    assert len(gaps) == 1
    assert "sequence 3" in gaps[0]


class Watched:
    """A notifier that is told of frames as an inspector would be, by their records."""

    def __init__(self, kafka: KafkaSettings, folder: Path, *settings: str) -> None:
        self._kafka, self.file = kafka, folder / "alarms.jsonl"
        self._arguments = ("--folder", str(folder / "state"), "--file", str(self.file), *settings)
        self._inspector = Inspector(kafka)
        self._frames = connect_consumer(kafka, "player", ["frames"], "player")
        self.last: Frame | None = None

    def start(self) -> subprocess.Popen[bytes]:
        return start(self._kafka, "notifier", *self._arguments)

    def inspect(self) -> None:
        """Every frame that came passes."""
        records = self._frames.poll(0.2)
        frames = [decode_frame(record.headers, record.value) for record in records]
        self.last = frames[-1] if frames else self.last
        self._inspector.send(*(outcome_of(*pair) for pair in zip(frames, records, strict=True)))

    def inspect_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.inspect()

    def causes(self, camera: str) -> list[tuple[str, str]]:
        told = [line for line in lines(self.file) if line["camera_id"] == camera]
        return [(line["cause"], line["severity"]) for line in told]


def outcome_of(frame: Frame, record: Record) -> Message:
    reference = FrameRef(
        frame_id=frame.frame_id,
        camera_id=frame.camera_id,
        category=frame.category,
        sequence=frame.sequence,
        epoch=frame.epoch,
        captured_at=frame.captured_at,
        content=content_digest(frame.data),
    )
    at = record.partition
    return samples.OUTCOME.model_copy(
        update={
            "frame": reference,
            "outcome_id": outcome_id(frame.source, frame.frame_id),
            "record": RecordRef(topic=at.topic, partition=at.index, offset=record.offset),
            "decided_at": datetime.now(UTC),
        }
    )


NO_WAIT = "--set=notifier.picture_wait_s=0"  # nobody explains here
SILENT = "--set=notifier.watch.silent_after_s=4"
SMALL = ("--set=camera.synthetic.width=64", "--set=camera.synthetic.height=64")


def test_an_orderly_end_is_no_alarm_and_a_killed_camera_is_one(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    create_topics(kafka, {"frames": 2, "camera-states": 2})
    watched = Watched(kafka, tmp_path, SILENT)
    notifier = watched.start()
    ends = start(kafka, "camera", "--rate", "10", "--id", "ends", *SMALL)
    dies = start(kafka, "camera", "--rate", "10", "--id", "dies", *SMALL)
    until(lambda: watched.inspect() or watched.last is not None)
    watched.inspect_for(3)
    ends.send_signal(signal.SIGTERM)
    assert ends.wait(30) == 0
    dies.kill()
    dies.wait()
    watched.inspect_for(10)
    until(lambda: ("camera-silent", "critical") in watched.causes("dies"))
    assert watched.causes("ends") == []
    again = start(kafka, "camera", "--rate", "10", "--id", "dies", "--frames", "30", *SMALL)
    until(lambda: watched.inspect() or ("camera-silent", "info") in watched.causes("dies"))
    again.kill()
    again.wait()
    notifier.send_signal(signal.SIGTERM)
    assert notifier.wait(30) == 0


def test_a_pause_by_command_is_no_alarm(kafka: KafkaSettings, tmp_path: Path) -> None:
    create_topics(kafka, {"frames": 2, "camera-states": 2})
    watched = Watched(kafka, tmp_path, SILENT)
    pause = start(kafka, "line", "pause", "--camera", "pau*", "--until", "1h", "--why", "tools")
    assert pause.wait(60) == 0
    ids = ("paused", "not")
    cameras = [start(kafka, "camera", "--rate", "5", "--id", name, *SMALL) for name in ids]
    notifier = watched.start()
    until(lambda: watched.inspect() or watched.last is not None)
    watched.inspect_for(3)
    for camera in cameras:
        camera.kill()
        camera.wait()
    watched.inspect_for(3)
    until(lambda: ("camera-silent", "critical") in watched.causes("not"))
    assert watched.causes("paused") == []
    assert start(kafka, "line", "resume").wait(60) == 0
    until(lambda: ("camera-silent", "critical") in watched.causes("paused"))
    notifier.send_signal(signal.SIGTERM)
    assert notifier.wait(30) == 0


def test_lost_positions_tell_nobody_again(apache_kafka: KafkaSettings, tmp_path: Path) -> None:
    """As after a week without a member: Kafka has forgotten where the group was."""
    kafka, prefix = apache_kafka, uuid.uuid4().hex[:8]
    names = {"outcomes", "defects", "dead_letters", "alarms", "camera_states"}
    topics = {key: f"{prefix}-{key}" for key in names}
    create_topics(kafka, dict.fromkeys(topics.values(), 1))
    group, file = f"{prefix}-notifiers", tmp_path / "alarms.jsonl"
    producer = connect_producer(kafka, "inspector")

    def notifier(state: str) -> subprocess.Popen[bytes]:
        named = [f"--set=topics.{key}={name}" for key, name in topics.items()]
        folders = ("--folder", str(tmp_path / state), "--file", str(file))
        times = ("--set=notifier.rules.window_s=1", f"--set=notifier.group={group}", NO_WAIT)
        return start(kafka, "notifier", *folders, *times, *named)

    def tell(*numbers: int) -> None:
        for number in numbers:
            told = event(samples.DEFECT, number)
            producer.publish([Outgoing(topics["defects"], told.encode())])

    def told() -> set[str]:
        return {frame for line in lines(file) for frame in line["frame_ids"]}

    def stop(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    first = notifier("one")
    tell(1, 2, 3)
    until(lambda: told() == {"f1", "f2", "f3"}, 90)
    stop(first)
    before = len(lines(file))
    with contextlib.closing(connect_admin(kafka)) as admin:
        admin.delete_groups([group])
    tell(4)
    again = notifier("one")
    until(lambda: "f4" in told(), 90)
    stop(again)
    assert [line["frame_ids"] for line in lines(file)[before:]] == [["f4"]]
