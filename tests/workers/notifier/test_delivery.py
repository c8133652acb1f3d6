"""Tries, then the disk, then again: nothing is lost, and what is given up is said."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from webhook import Hook

from schemas.alarm import Alarm
from schemas.documents import samples
from workers.notifier.channels import AppriseChannel, DeliveryFailed
from workers.notifier.deliver import Courier, Delivery
from workers.notifier.settings import DeliverySettings
from workers.notifier.undelivered import Undelivered
from workers.runtime.errors import Fatal, SettingsError

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
SETTINGS = DeliverySettings(attempts=2, attempt_pause_s=0.001, retry_initial_s=2, retry_max_s=8)


def alarm(number: int) -> Alarm:
    return samples.ALARM.model_copy(update={"alarm_id": f"{number:032x}", "message": f"m{number}"})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Fake:
    """A channel that fails a number of times."""

    name = "fake"

    def __init__(self, failures: int) -> None:
        self.failures, self.tries = failures, 0
        self.taken: list[str] = []

    def send(self, alarm: Alarm) -> None:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise DeliveryFailed("no")
        self.taken.append(alarm.message)


def courier(folder: Path, channel: Fake, max_bytes: int = 2**20) -> Courier:
    return Courier(channel, Undelivered(folder, channel.name, max_bytes), SETTINGS)


def test_a_hiccup_is_tried_again_at_once(tmp_path: Path) -> None:
    channel = Fake(1)
    sender = courier(tmp_path, channel)
    sender.deliver(alarm(1), START)
    assert (channel.taken, sender.waiting, list(tmp_path.iterdir())) == (["m1"], 0, [])


def test_what_is_not_taken_is_kept_and_tried_again_in_order(tmp_path: Path) -> None:
    channel = Fake(3)
    sender = courier(tmp_path, channel)
    for number in (1, 2, 3):
        sender.deliver(alarm(number), START)
    assert (channel.tries, sender.waiting) == (2, 3)  # the others go to the disk without a try
    sender.retry(at(1))
    assert channel.tries == 2
    sender.retry(at(2))
    assert (channel.tries, sender.waiting) == (3, 3)
    sender.retry(at(6))
    assert (channel.taken, sender.waiting, list(tmp_path.iterdir())) == (["m1", "m2", "m3"], 0, [])


def test_pauses_grow_and_are_bounded(tmp_path: Path) -> None:
    channel = Fake(10**6)
    sender = courier(tmp_path, channel)
    sender.deliver(alarm(1), START)
    tried = []
    for second in range(60):
        before = channel.tries
        sender.retry(at(second))
        tried += [second] if channel.tries > before else []
    assert tried == [2, 6, 14, 22, 30, 38, 46, 54]


def test_a_new_start_delivers_what_the_last_one_kept(tmp_path: Path) -> None:
    courier(tmp_path, Fake(10**6)).deliver(alarm(1), START)
    channel = Fake(0)
    again = courier(tmp_path, channel)
    assert again.waiting == 1
    again.retry(START)
    assert channel.taken == ["m1"]


def test_one_failing_channel_does_not_hold_up_the_others(tmp_path: Path) -> None:
    dead, alive = Fake(10**6), Fake(0)
    couriers = [courier(tmp_path / "a", dead), courier(tmp_path / "b", alive)]
    Delivery(couriers, lambda: START).deliver([alarm(1), alarm(2)])
    assert (alive.taken, couriers[0].waiting) == (["m1", "m2"], 2)


def test_a_full_disk_share_gives_up_the_oldest_and_says_so(tmp_path: Path) -> None:
    size = len(alarm(1).model_dump_json()) + 1
    sender = courier(tmp_path, Fake(10**6), max_bytes=3 * size)
    with capture_logs() as logs:
        for number in range(5):
            sender.deliver(alarm(number), START)
    given_up = [entry["alarm"] for entry in logs if entry["log_level"] == "error"]
    assert (given_up, sender.given_up, sender.waiting) == (["m0", "m1"], 2, 3)
    assert (tmp_path / "fake.jsonl").stat().st_size <= 3 * size
    assert Undelivered(tmp_path, "fake", 2**20).first() == alarm(2)


def test_an_alarm_that_was_made_again_is_kept_once(tmp_path: Path) -> None:
    sender = courier(tmp_path, Fake(10**6))
    for _ in range(2):
        sender.deliver(alarm(1), START)
    assert sender.waiting == 1


def test_a_damaged_line_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    kept = Undelivered(tmp_path, "fake", 2**20)
    kept.keep(alarm(1))
    with (tmp_path / "fake.jsonl").open("ab") as file:
        file.write(b'{"alarm_id": "torn')
    kept.keep(alarm(2))
    with capture_logs() as logs:
        again = Undelivered(tmp_path, "fake", 2**20)
    assert (len(again), again.first()) == (2, alarm(1))
    assert [entry["line"] for entry in logs] == [2]


def test_an_alarm_that_can_be_kept_nowhere_ends_the_process(tmp_path: Path) -> None:
    sender = courier(tmp_path / "folder", Fake(10**6))
    (tmp_path / "folder").rmdir()
    with pytest.raises(Fatal, match=r"cannot be kept.*notifier\.folder"):
        sender.deliver(alarm(1), START)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"notifier\.folder"):
        Undelivered(tmp_path / "file", "fake", 2**20)


def test_a_webhook_that_recovers_gets_everything_in_order(tmp_path: Path, hook: Hook) -> None:
    channel = AppriseChannel(SecretStr(hook.url))
    sender = Courier(channel, Undelivered(tmp_path, channel.name, 2**20), SETTINGS)
    hook.status = 500
    for number in (1, 2):
        sender.deliver(alarm(number), START)
    assert (hook.asked, hook.accepted, sender.waiting) == (2, [], 2)
    hook.status = 200
    sender.retry(at(2))
    sender.deliver(alarm(3), at(3))
    assert [message["message"].splitlines()[0] for message in hook.accepted] == ["m1", "m2", "m3"]
    assert sender.waiting == 0
