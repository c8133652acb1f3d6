"""A folder that takes nothing: alarms are delivered from memory, and the state is said."""

from pathlib import Path

import pytest
from alarms import Ear, alarm, deliver_to, fill, until
from structlog.testing import capture_logs

from workers.notifier.delivering.channels.channel import DeliveryFailed
from workers.notifier.delivering.channels.file import FileChannel
from workers.notifier.delivering.outbox import Outbox

pytestmark = pytest.mark.integration  # mounts a file system


def deaf(alarms: object) -> None:
    raise DeliveryFailed("away")


def test_on_a_full_disk_alarms_are_delivered_and_told_once(small_disk: Path) -> None:
    fill(small_disk)
    ear = Ear()
    for _ in range(4):  # starts; what is read again raises the same alarms
        with deliver_to(small_disk / "state", ear) as delivery:
            delivery.deliver([alarm(1)])
            until(lambda: ear.messages)
            until(lambda: not delivery.outbox.in_memory)
            assert delivery.safe  # the loop may commit, so the next start does not read it again
            assert "notifier.folder" in str(delivery.problem())


def test_what_the_disk_does_not_take_is_said_once(small_disk: Path) -> None:
    fill(small_disk)
    with capture_logs() as logs, deliver_to(small_disk, Ear()) as delivery:
        for number in range(5):
            delivery.deliver([alarm(number)])
    said = [entry["reason"] for entry in logs if "cannot be kept on disk" in entry["event"]]
    assert said == ["No space left on device"]


def test_nobody_told_and_not_on_disk_is_not_safe(small_disk: Path) -> None:
    fill(small_disk)
    ear = Ear()
    ear.trouble = deaf
    with deliver_to(small_disk, ear) as delivery:
        delivery.deliver([alarm(1)])
        assert not delivery.safe
        assert delivery.problem() is not None
        ear.trouble = lambda alarms: None
        until(lambda: ear.messages)
        until(lambda: delivery.safe)


def test_when_there_is_room_again_the_disk_has_them(small_disk: Path) -> None:
    filler = fill(small_disk)
    ear = Ear()
    ear.trouble = deaf
    with deliver_to(small_disk, ear) as delivery:
        delivery.deliver([alarm(1)])
        assert delivery.outbox.in_memory == 1
        filler.unlink()
        until(lambda: delivery.outbox.in_memory == 0)
        assert (delivery.problem(), delivery.safe) == (None, True)
    queue = Outbox(small_disk, ["ear"], 2**20).queues["ear"]
    assert [kept.alarm for kept in queue.next(9, one_cause=False)] == [alarm(1)]


def test_a_delivery_is_noted_on_a_disk_that_is_full_meanwhile(small_disk: Path) -> None:
    ear = Ear()
    ear.trouble = deaf
    with deliver_to(small_disk, ear) as delivery:
        delivery.deliver([alarm(n) for n in range(20)])
        fill(small_disk)
        ear.trouble = lambda alarms: None
        until(lambda: len(ear.messages) == 20)
    for _ in range(3):
        with deliver_to(small_disk, ear):
            pass
    assert len(ear.messages) == 20


def test_a_torn_write_leaves_nothing_behind(small_disk: Path) -> None:
    """So that a line is whole or not there, and the next one is readable."""
    box = Outbox(small_disk, ["ear"], 2**20)
    number = 0
    while box.problem is None:
        number += 1
        box.put([(alarm(number, message="x" * 900), ["ear"])])
    box.close()
    found = Outbox(small_disk, ["ear"], 2**20).queues["ear"]
    assert len(found) == number - 1


def test_the_alarms_file_on_a_full_disk_is_a_channel_that_is_away(small_disk: Path) -> None:
    path = small_disk / "alarms.jsonl"
    channel, filler = FileChannel(path), fill(small_disk)
    other = Ear()
    with deliver_to(small_disk / "state", channel, other) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: other.messages)
        until(lambda: delivery.couriers[0].counts.failed)
        filler.unlink()
        until(lambda: path.read_text().count("\n") == 1)
