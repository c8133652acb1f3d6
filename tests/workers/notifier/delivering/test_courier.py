"""Each channel for itself: tries, hangs, refusals, digests, and what is given up."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from alarms import Ear, alarm, critical, deliver_to, notice, until
from structlog.testing import capture_logs

from schemas.alarm import Alarm
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.notifier.delivering.refused import read_refused
from workers.runtime.errors import SettingsError


def failing(times: int, *, answering: bool = False) -> object:
    left = [times]

    def trouble(alarms: Sequence[Alarm]) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise DeliveryFailed("away", perhaps_alarm=answering)

    return trouble


def refusing(*messages: str) -> object:
    def trouble(alarms: Sequence[Alarm]) -> None:
        if any(each.message in messages for each in alarms):
            raise Refused("HTTP 400")

    return trouble


def test_handing_over_waits_for_no_channel(tmp_path: Path) -> None:
    release = threading.Event()
    slow, quick = Ear("slow"), Ear("quick")
    slow.trouble = lambda alarms: release.wait(20) and None
    with deliver_to(tmp_path, slow, quick) as delivery:
        begun = time.monotonic()
        delivery.deliver([alarm(1)])
        delivery.deliver([alarm(2)])
        assert time.monotonic() - begun < 5
        until(lambda: quick.messages == ["m1", "m2"])
        assert slow.messages == []
        release.set()
        until(lambda: slow.messages == ["m1", "m2"])


def test_a_hiccup_is_no_failure(tmp_path: Path) -> None:
    ear = Ear()
    ear.trouble = failing(1)
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: ear.messages == ["m1"])
        assert delivery.couriers[0].counts.failed == 0


@pytest.mark.slow
def test_a_channel_that_comes_back_gets_everything_in_order(tmp_path: Path) -> None:
    ear = Ear()
    ear.trouble = failing(6)
    with capture_logs() as logs, deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1), alarm(2)])
        delivery.deliver([alarm(3)])
        until(lambda: ear.messages == ["m1", "m2", "m3"])
        until(lambda: delivery.couriers[0].waiting == 0)
        assert delivery.couriers[0].counts.failed == 5
    assert "channel is back" in [entry["event"] for entry in logs]


@pytest.mark.slow
def test_pauses_grow_and_are_bounded(tmp_path: Path) -> None:
    ear = Ear()
    ear.trouble = failing(10**6)
    with capture_logs() as logs, deliver_to(tmp_path, ear, drain_s=0) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].counts.failed >= 4)
    pauses = [entry["retry_s"] for entry in logs if entry["event"] == "channel failed"]
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.2]


def test_a_service_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    ear = Ear()

    def busy(alarms: Sequence[Alarm]) -> None:
        raise DeliveryFailed("HTTP 429", wait_s=0.2)

    ear.trouble = busy
    with capture_logs() as logs, deliver_to(tmp_path, ear, drain_s=0) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].counts.failed >= 1)
    assert next(e["retry_s"] for e in logs if e["event"] == "channel failed") >= 0.2


def test_a_refused_alarm_is_set_aside_and_the_next_goes_on(tmp_path: Path) -> None:
    ear = Ear()
    ear.trouble = refusing("m37", "m90")
    with capture_logs() as logs, deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(n) for n in range(100)])
        until(lambda: delivery.couriers[0].waiting == 0)
        assert delivery.couriers[0].counts.refused == 2
    assert sorted(ear.messages) == sorted(f"m{n}" for n in range(100) if n not in (37, 90))
    assert [(r.channel, r.reason, r.alarm.message) for r in read_refused(tmp_path)] == [
        ("ear", "HTTP 400", "m37"),
        ("ear", "HTTP 400", "m90"),
    ]
    assert [entry["alarm"] for entry in logs if "refused" in entry["event"]] == ["m37", "m90"]
    with deliver_to(tmp_path, ear):
        pass
    assert len(ear.messages) == 98


def test_a_fault_in_a_channels_code_costs_that_alarm(tmp_path: Path) -> None:
    ear = Ear()

    def broken(alarms: Sequence[Alarm]) -> None:
        if alarms[0].message == "m1":
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "odd")

    ear.trouble = broken
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].counts.refused == 1)
        delivery.deliver([alarm(2)])
        until(lambda: ear.messages == ["m2"])


def test_receivers_that_have_it_are_not_told_for_ever(tmp_path: Path) -> None:
    ear = Ear()

    def half(alarms: Sequence[Alarm]) -> None:
        if alarms[0].message == "m1":
            raise DeliveryFailed("HTTP 503", partly=True)

    ear.trouble = half
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].counts.refused == 1)
        assert ear.tries == 2


@pytest.mark.slow
def test_a_channel_that_hangs_costs_only_itself_and_is_noticed(tmp_path: Path) -> None:
    release = threading.Event()
    hung, alive = Ear("hung"), Ear("alive")
    hung.trouble = lambda alarms: release.wait(30) and None
    before = threading.active_count()
    with deliver_to(tmp_path, hung, alive, timeout_s=0.05, drain_s=0.1) as delivery:
        for number in range(50):
            delivery.deliver([alarm(number)])
        until(lambda: len(alive.messages) == 50)
        until(lambda: delivery.couriers[0].counts.failed > 5)
        assert delivery.couriers[0].hanging == 3
        assert threading.active_count() <= before + 2 + 3 + 1
        assert delivery.problem() == "channel hung hangs"
        assert delivery.couriers[0].counts.busy_s >= 0.15
        release.set()
        until(lambda: delivery.couriers[0].waiting == 0)
        assert delivery.problem() is None


@pytest.mark.slow
def test_a_try_that_comes_back_late_is_not_repeated(tmp_path: Path) -> None:
    ear = Ear()
    ear.trouble = lambda alarms: time.sleep(0.3)
    with deliver_to(tmp_path, ear, timeout_s=0.1, retry_initial_s=0.5, retry_max_s=0.5) as delivery:
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].waiting == 0)
        tries = ear.tries
        assert delivery.couriers[0].counts.sent == 1
    assert ear.tries == tries


def test_a_storm_becomes_one_message_to_people_and_many_to_machines(tmp_path: Path) -> None:
    people, machine = Ear("people", digests=True), Ear("machine")
    begin = threading.Event()
    people.trouble = lambda alarms: begin.wait(20) and None
    with deliver_to(tmp_path, people, machine) as delivery:
        delivery.deliver([notice(n) for n in range(300)])
        until(lambda: len(machine.messages) == 300)
        begin.set()
        until(lambda: len(people.messages) == 300)
    assert len(people.heard) <= 2
    assert {len({each.cause for each in group}) for group in people.heard} == {1}


def test_few_alarms_are_told_one_by_one(tmp_path: Path) -> None:
    people = Ear("people", digests=True)
    with deliver_to(tmp_path, people) as delivery:
        delivery.deliver([notice(n) for n in range(4)])
        until(lambda: len(people.heard) == 4)


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.slow
def test_a_defect_among_many_alarms_arrives_at_once(tmp_path: Path, digests: bool) -> None:
    """With a channel that takes a second for each message."""
    slow = Ear(digests=digests, at_a_time=1)
    slow.trouble = lambda alarms: time.sleep(1.0)
    storm = [critical(notice(n, cause=f"cause-{n % 20}")) for n in range(1000)]
    with deliver_to(tmp_path, slow, drain_s=0) as delivery:
        delivery.deliver(storm[:500])
        until(lambda: slow.tries)
        raised = time.monotonic()
        delivery.deliver([*storm[500:750], alarm(5000, message="the defect"), *storm[750:]])
        until(lambda: "the defect" in slow.messages, 10)
        assert time.monotonic() - raised < 5


@pytest.mark.slow
def test_what_is_given_up_is_told_to_the_others_and_later_to_itself(tmp_path: Path) -> None:
    lost, other = Ear("lost"), Ear("other")
    lost.trouble = failing(10**6)
    with deliver_to(tmp_path, lost, other, undelivered_max_bytes=4096) as delivery:
        for each in (alarm(99), *map(notice, range(30))):
            delivery.deliver([each])
            until(lambda: each.message in other.messages)  # noqa: B023  (it is over before the next)
        until(lambda: len(other.messages) == 32)
        given_up = delivery.couriers[0].counts.given_up
        assert given_up > 15
        lost.trouble = lambda alarms: None
        until(lambda: any("were given up" in text for text in lost.messages))
        until(lambda: delivery.couriers[0].waiting == 0)
    (said,) = [text for text in lost.messages if "were given up" in text]
    assert said.startswith(f"channel lost: {given_up} alarms were given up")
    assert lost.messages[0] == "m99"  # never the defect among notices
    assert sum("channel lost" in text for text in other.messages) == 1


def test_rules_say_who_is_told(tmp_path: Path) -> None:
    night, day = Ear("night"), Ear("day")
    routes = {"night": {"min_severity": "critical"}, "day": {"cameras": ["cam-1"]}}
    with deliver_to(tmp_path, night, day, routes=routes) as delivery:
        delivery.deliver([alarm(1), critical(alarm(2)), alarm(3)])
        until(lambda: night.messages == ["m2"] and day.messages == ["m1"])
        assert delivery.unrouted == 1


def test_a_rule_for_no_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"routes\.nigth: no such channel; there are ear"):
        deliver_to(tmp_path, Ear(), routes={"nigth": {}})


def test_at_the_end_what_waits_is_sent_and_what_cannot_stays(tmp_path: Path) -> None:
    quick, away = Ear("quick"), Ear("away")
    away.trouble = failing(10**6)
    with deliver_to(tmp_path, quick, away) as delivery:
        delivery.deliver([alarm(n) for n in range(200)])
    assert len(quick.messages) == 200
    away.trouble = lambda alarms: None
    with deliver_to(tmp_path, quick, away):
        until(lambda: len(away.messages) == 200)
    assert len(quick.messages) == 200


def choking(*messages: str) -> object:
    def trouble(alarms: Sequence[Alarm]) -> None:
        if any(each.message in messages for each in alarms):
            raise DeliveryFailed("HTTP 500", perhaps_alarm=True)

    return trouble


@pytest.mark.parametrize(("digests", "at_a_time"), [(False, 1), (False, 100), (True, 1)])
@pytest.mark.slow
def test_an_alarm_that_a_channel_chokes_on_does_not_stop_the_others(
    tmp_path: Path, digests: bool, at_a_time: int
) -> None:
    ear = Ear(digests=digests, at_a_time=at_a_time)
    ear.trouble = choking("m3")
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(number) for number in range(12)])
        for number in range(20, 30):
            delivery.deliver([alarm(number)])
            time.sleep(0.05)
        until(lambda: len(set(ear.messages)) == 21)
        number = 30
        while not delivery.couriers[0].counts.refused:  # others have to pass for it
            number += 1
            delivery.deliver([alarm(number)])
            time.sleep(0.1)
            assert number < 150
        until(lambda: delivery.couriers[0].waiting == 0)
    (refused,) = read_refused(tmp_path)
    assert (refused.alarm.message, "HTTP 500" in refused.reason) == ("m3", True)
    assert len(ear.messages) == len(set(ear.messages))


@pytest.mark.slow
def test_an_outage_blames_no_alarm(tmp_path: Path) -> None:
    ear = Ear(at_a_time=1)
    ear.trouble = failing(12, answering=True)
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(number) for number in range(5)])
        until(lambda: delivery.couriers[0].waiting == 0)
    assert sorted(ear.messages) == ["m0", "m1", "m2", "m3", "m4"]
    assert list(read_refused(tmp_path)) == []


@pytest.mark.slow
def test_an_alarm_that_failed_during_an_outage_waits_for_the_next_one(tmp_path: Path) -> None:
    ear = Ear(at_a_time=1)
    ear.trouble = choking("m1")
    with deliver_to(tmp_path, ear) as delivery:
        delivery.deliver([alarm(1), alarm(2)])
        until(lambda: ear.messages == ["m2"])
        tries = ear.tries
        until(lambda: ear.tries > tries + 4)  # nobody passes meanwhile: it proves nothing
        assert delivery.couriers[0].counts.refused == 0
        ear.trouble = choking()
        until(lambda: ear.messages == ["m2", "m1"])
