"""The notifier's folder: whatever lies there, and whoever else uses it, no alarm is lost for it."""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alarms import Ear, alarm, deliver_to, until
from structlog.testing import capture_logs
from typer.testing import CliRunner

from schemas.alarm import Alarm
from workers.cli import app
from workers.notifier.clock import Now
from workers.notifier.deciding.told import Told
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.notifier.delivering.channels.file import FileChannel
from workers.notifier.delivering.refused import RefusedFile, hand_back, read_refused
from workers.notifier.delivering.show import show_undelivered
from workers.notifier.reading.aside import Aside
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal


@pytest.mark.slow
def test_two_notifiers_in_one_folder_do_not_write_over_each_other(tmp_path: Path) -> None:
    first, second = Ear("ear"), Ear("ear")
    first.trouble = second.trouble = away
    one = deliver_to(tmp_path, first)
    one.deliver([alarm(1)])
    with capture_logs() as logs:
        other = deliver_to(tmp_path, second)
        other.deliver([alarm(2)])
    assert "another notifier uses it" in str(other.problem())
    assert any(entry.get("setting") == "notifier.folder" for entry in logs)
    one.deliver([alarm(3)])
    one.outbox.close()  # it ends
    until(lambda: other.outbox.tend() or other.problem() is None)  # type: ignore[func-returns-value]
    second.trouble = lambda alarms: None
    with other:
        until(lambda: sorted(second.messages) == ["m1", "m2", "m3"])


@pytest.mark.parametrize("name", ["outbox.jsonl", "refused.jsonl", "told.jsonl", "aside.jsonl"])
@pytest.mark.parametrize("what", ["pipe", "folder", "nested"])
def test_whatever_lies_there_under_our_names_costs_the_file_only(
    tmp_path: Path, name: str, what: str
) -> None:
    place = tmp_path / name
    if what == "pipe":
        os.mkfifo(place)
    elif what == "folder":
        place.mkdir()
    else:
        place.write_bytes(b"[" * 200_000 + b"\n")
    ear = Ear()
    ear.trouble = lambda alarms: refuse(alarms, "m2")
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1), alarm(2)])
        until(lambda: ear.messages == ["m1"] and delivery.couriers[0].counts.refused == 1)
    told = Told(tmp_path)
    told.note([alarm(1)])
    assert told.fresh([alarm(1), alarm(2)]) == [alarm(2)]
    record = Record(Partition("defects", 0), 1, None, b"", (), 0)
    Aside(tmp_path, 4096).put(record, "odd", Now(0.0, datetime.now(UTC)))
    show_undelivered(tmp_path, Terminal(file=io.StringIO()))


def refuse(alarms: Sequence[Alarm], message: str) -> None:
    if any(each.message == message for each in alarms):
        raise Refused("HTTP 400")


def away(alarms: Sequence[Alarm]) -> None:
    raise DeliveryFailed("away")


def test_a_pipe_as_the_file_of_alarms_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alarms")
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.file: .* is a named pipe"):
        FileChannel(tmp_path / "alarms")


def test_former_alarms_that_cannot_be_read_end_nothing(tmp_path: Path) -> None:
    (tmp_path / "undelivered" / "ear.jsonl").mkdir(parents=True)
    assert deliver_to(tmp_path, Ear()).problem() is None


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.slow
def test_what_was_refused_is_sent_again_when_somebody_says_so(
    tmp_path: Path, running: bool
) -> None:
    ear = Ear()
    ear.trouble = lambda alarms: refuse(alarms, "m1")
    flags = ["notifier", "--folder", str(tmp_path)]
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1), alarm(2)])
        until(lambda: delivery.couriers[0].counts.refused == 1)
        ear.trouble = lambda alarms: None
        if running:
            said = CliRunner().invoke(app, [*flags, "--resend-refused"])
            until(lambda: ear.messages == ["m2", "m1"])
    if not running:
        said = CliRunner().invoke(app, [*flags, "--resend-refused"])
        with deliver_to(tmp_path, ear):
            until(lambda: ear.messages == ["m2", "m1"])
    assert said.output.startswith("1 refused alarms are sent again by the notifier")
    assert (
        "every alarm was delivered"
        in CliRunner().invoke(app, [*flags, "--show-undelivered"]).output
    )
    assert "0 refused" in CliRunner().invoke(app, [*flags, "--resend-refused"]).output
    with deliver_to(tmp_path, ear):
        pass
    assert ear.messages == ["m2", "m1"]


def test_what_a_channel_refused_that_is_not_there_stays_refused(tmp_path: Path) -> None:
    RefusedFile(tmp_path).add("gone", "HTTP 400", alarm(1))
    assert hand_back(tmp_path) == 1
    with deliver_to(tmp_path, Ear()) as delivery:
        until(lambda: delivery.outbox.tend() or list(read_refused(tmp_path)))  # type: ignore[func-returns-value]
    assert [each.channel for each in read_refused(tmp_path)] == ["gone"]
