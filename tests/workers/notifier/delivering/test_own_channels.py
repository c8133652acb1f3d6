"""Console, file and topic: what arrives, and how they fail."""

import os
from pathlib import Path

import pytest
from alarms import alarm

from schemas.alarm import Alarm
from schemas.documents import samples
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.notifier.delivering.channels.console import ConsoleChannel, StandardOutput
from workers.notifier.delivering.channels.file import FileChannel
from workers.notifier.delivering.channels.topic import TopicChannel
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.errors import MessageTooLarge, SettingsError

ALARM = samples.ALARM


def test_the_file_gets_one_line_an_alarm(tmp_path: Path) -> None:
    path = tmp_path / "new" / "alarms.jsonl"
    FileChannel(path).send([alarm(1), alarm(2)])
    FileChannel(path).send([alarm(3)])
    found = [Alarm.model_validate_json(line) for line in path.read_text().splitlines()]
    assert found == [alarm(1), alarm(2), alarm(3)]


def test_a_line_torn_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"alarm_id": "5d4')
    FileChannel(path).send([ALARM])
    assert Alarm.model_validate_json(path.read_text().splitlines()[1]) == ALARM


def test_a_file_that_cannot_be_written_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.file"):
        FileChannel(tmp_path / "file" / "alarms.jsonl")


def test_a_file_that_cannot_be_written_later_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "alarms.jsonl"
    channel = FileChannel(path)
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(DeliveryFailed, match=r"alarms\.jsonl"):
        channel.send([ALARM])


def test_the_topic_gets_each_alarm_keyed_by_its_camera() -> None:
    broker = MemoryBroker()
    TopicChannel(broker.producer(), "alarms").send([alarm(1), alarm(2)])
    records = broker.records("alarms")
    assert [Alarm.decode(r.headers, r.value) for r in records] == [alarm(1), alarm(2)]
    assert [r.key for r in records] == [b"cam-1", b"cam-2"]


def test_a_broker_that_is_away_is_a_failure() -> None:
    broker = MemoryBroker()
    broker.available = False
    with pytest.raises(DeliveryFailed, match="topic alarms"):
        TopicChannel(broker.producer(), "alarms").send([ALARM])


def test_an_alarm_that_the_broker_does_not_take_is_refused() -> None:
    class Narrow:
        def publish(self, messages: object) -> None:
            raise MessageTooLarge("1 MB")

        def close(self) -> None:
            return

    with pytest.raises(Refused, match="topic alarms: 1 MB"):
        TopicChannel(Narrow(), "alarms").send([ALARM])  # type: ignore[arg-type]


def test_a_closed_pipe_is_a_console_that_is_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        channel = ConsoleChannel(StandardOutput(file=pipe))
        for _ in range(2):
            with pytest.raises(DeliveryFailed, match="standard output: Broken pipe"):
                channel.send([ALARM])
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # so that it can be closed
