"""Grouping: who is told, how often, and how far positions may move meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.alarm import Alarm, AlarmKind, AlarmPhase, Severity
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, Place
from workers.notifier.deciding.rules import Rules, alarm_id
from workers.notifier.settings import RuleSettings
from workers.runtime.bus.ports import Partition

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
DEFECTS = Partition("defects", 0)
SETTINGS = RuleSettings(window_s=30, escalate_after=10, max_windows=100, remember_events=1000)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def now(seconds: float, wall: float | None = None) -> Now:
    """A moment; the wall clock may show another."""
    return Now(1000 + seconds, at(seconds if wall is None else wall))


def tick(rules: Rules, moment: Now) -> list[Alarm]:
    return [alarm for key in rules.due(moment) for alarm in rules.close(key, moment)]


def finish(rules: Rules, moment: Now) -> list[Alarm]:
    return [alarm for key in rules.opened() for alarm in rules.close(key, moment)]


def happening(number: int, seconds: float = 0, **changes: object) -> Happening:
    plain = Happening(
        event_id=f"event-{number}",
        camera_id="cam-1",
        cause="defect",
        kind=AlarmKind.DEFECT,
        severity=Severity.WARNING,
        at=at(seconds),
        text=f"text {number}",
        place=Place(DEFECTS, number),
        category="flange",
        frame_ids=(f"frame-{number}",),
        badness=float(number),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_the_first_alarm_goes_out_at_once() -> None:
    (alarm,) = Rules(SETTINGS).see(happening(1), now(0.2))
    assert (alarm.count, alarm.severity, alarm.cause) == (1, Severity.WARNING, "defect")
    assert alarm.message == "cam-1: text 1"
    assert alarm.frame_ids == ["frame-1"]
    assert (alarm.first_seen, alarm.raised_at) == (at(0), at(0.2))


def test_more_of_the_same_is_counted_and_told_when_the_window_closes() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), now(0))
    for number in (2, 4, 3):
        assert rules.see(happening(number, number), now(number)) == []
    assert tick(rules, now(29)) == []
    (alarm,) = tick(rules, now(31))
    assert (alarm.count, alarm.message) == (3, "cam-1: 3 more, e.g. text 4")
    assert (alarm.first_seen, alarm.last_seen) == (at(2), at(4))
    assert tick(rules, now(100)) == []


def test_a_single_event_has_no_second_alarm() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), now(0))
    assert tick(rules, now(31)) == []
    assert not rules.is_open("cam-1", "defect")


def test_cameras_and_causes_are_told_apart() -> None:
    rules = Rules(SETTINGS)
    assert rules.see(happening(1), now(0))
    assert rules.see(happening(2, camera_id="cam-2"), now(0))
    assert rules.see(happening(3, cause="undecodable"), now(0))
    assert rules.see(happening(4), now(0)) == []


def test_many_in_a_window_raise_the_severity_once_and_at_once() -> None:
    rules = Rules(SETTINGS)
    alarms = [alarm for n in range(20) for alarm in rules.see(happening(n, n), now(n))]
    first, louder = alarms
    assert (first.severity, first.count) == (Severity.WARNING, 1)
    assert (louder.severity, louder.count, louder.raised_at) == (Severity.CRITICAL, 9, at(9))
    (rest,) = tick(rules, now(31))
    assert (rest.severity, rest.count) == (Severity.CRITICAL, 10)


def test_a_heavy_first_event_is_critical_from_the_start() -> None:
    (alarm,) = Rules(SETTINGS).see(happening(1, weight=10), now(0))
    assert (alarm.severity, alarm.count) == (Severity.CRITICAL, 10)


def test_a_critical_event_in_a_mild_window_is_told_at_once() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), now(0))
    (alarm,) = rules.see(happening(2, severity=Severity.CRITICAL), now(1))
    assert alarm.severity is Severity.CRITICAL


def test_a_redelivered_event_is_not_counted_twice() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), now(0))
    rules.see(happening(2), now(1))
    assert rules.see(happening(1), now(2)) == rules.see(happening(2), now(2)) == []
    (alarm,) = tick(rules, now(31))
    assert (alarm.count, rules.repeated) == (1, 2)


def test_the_memory_of_events_is_bounded() -> None:
    rules = Rules(SETTINGS.model_copy(update={"remember_events": 3}))
    for number in range(10):
        rules.see(happening(number), now(0))
    assert len(rules._seen) == 3


def test_an_event_after_the_window_opens_a_new_one() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1, 0), now(0))
    rules.see(happening(2, 1), now(1))
    closing, opening = rules.see(happening(3, 30), now(30))
    assert (closing.count, closing.frame_ids) == (1, ["frame-2"])
    assert (opening.count, opening.frame_ids) == (1, ["frame-3"])


def test_alarm_ids_are_distinct_within_a_window() -> None:
    rules = Rules(SETTINGS)
    alarms = rules.see(happening(1), now(0))
    rules.see(happening(2), now(1))
    alarms += tick(rules, now(31))
    assert [alarm.alarm_id for alarm in alarms] == [
        alarm_id("cam-1", "defect", "event-1"),
        alarm_id("cam-1", "defect", "event-2"),
    ]


@pytest.mark.parametrize("delay", [0.0, 3600.0])
def test_reading_the_same_events_again_makes_the_same_alarms(delay: float) -> None:
    """After a crash the records come all at once, possibly much later."""
    seconds = [0, 1, 5, 29, 31, 40, 75]
    events = [happening(number, s) for number, s in enumerate(seconds)]

    live, again = Rules(SETTINGS), Rules(SETTINGS)
    first, second = [], []
    for event, moment in zip(events, map(now, seconds), strict=True):
        first += tick(live, moment)
        first += live.see(event, moment)
    for event in events:
        second += again.see(event, now(80 + delay))
    first += finish(live, now(80))
    second += finish(again, now(80 + delay))
    summary = [(alarm.alarm_id, alarm.count, alarm.severity) for alarm in first]
    assert [(a.alarm_id, a.count, a.severity) for a in second] == summary
    assert sum(alarm.count for alarm in first) == len(events)


def test_positions_are_held_at_the_first_record_of_an_open_window() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(5, 0), now(0))
    rules.see(happening(6, 1), now(1))
    rules.see(happening(3, 1, camera_id="cam-2", place=Place(DEFECTS, 7)), now(1))
    assert rules.held() == {DEFECTS: 5}
    rules.see(happening(8, 31), now(31))
    assert rules.held() == {DEFECTS: 7}
    tick(rules, now(100))
    assert rules.held() == {}


def test_too_many_windows_close_the_quietest() -> None:
    rules = Rules(SETTINGS.model_copy(update={"max_windows": 2}))
    rules.see(happening(1, camera_id="a"), now(0))
    rules.see(happening(2, camera_id="b"), now(0))
    rules.see(happening(3, camera_id="a"), now(0))
    rules.see(happening(4, camera_id="c"), now(0))
    assert [rules.is_open(name, "defect") for name in "abc"] == [True, False, True]
    rules.see(happening(5, camera_id="c"), now(1))
    (alarm, _) = rules.see(happening(6, camera_id="d"), now(1))
    assert (alarm.camera_id, alarm.count) == ("a", 1)


def test_revoked_partitions_are_forgotten_so_that_they_can_be_read_again() -> None:
    rules = Rules(SETTINGS)
    other = Partition("defects", 1)
    rules.see(happening(1), now(0))
    rules.see(happening(2, camera_id="cam-2", place=Place(other, 0)), now(0))
    rules.forget([DEFECTS])
    assert rules.held() == {other: 0}
    assert rules.see(happening(1), now(1))
    assert rules.see(happening(2, camera_id="cam-2", place=Place(other, 0)), now(1)) == []


def test_an_alarm_lists_the_first_frames_only() -> None:
    rules = Rules(SETTINGS.model_copy(update={"escalate_after": 1000}))
    for number in range(50):
        rules.see(happening(number, 0), now(0))
    (alarm,) = finish(rules, now(1))
    assert (alarm.count, len(alarm.frame_ids)) == (49, 20)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_closes_no_window_and_keeps_none_open(step: float) -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), now(0))
    rules.see(happening(2, 1), now(1))
    assert tick(rules, now(10, wall=10 + step)) == []
    (alarm,) = tick(rules, now(31, wall=31 + step))
    assert (alarm.count, rules.held()) == (1, {})


@pytest.mark.parametrize("year", [1, 9999])
def test_an_event_of_an_impossible_time_keeps_no_window_open(year: int) -> None:
    rules = Rules(SETTINGS)
    odd = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    alarms = rules.see(happening(1, at=odd), now(0))
    alarms += rules.see(happening(2, 1), now(1))
    alarms += rules.see(happening(3, at=odd), now(2))
    alarms += tick(rules, now(40))
    assert sum(alarm.count for alarm in alarms) == 3
    assert rules.opened() == []


def test_alarms_say_where_they_stand() -> None:
    rules = Rules(SETTINGS)
    first = rules.see(happening(1), now(0))
    rules.see(happening(2), now(1))
    clear = rules.see(happening(3, 5, all_clear=True, severity=Severity.INFO, text="over"), now(5))
    assert [(a.phase, a.severity) for a in first + clear] == [
        (AlarmPhase.FIRST, Severity.WARNING),
        (AlarmPhase.FOLLOW_UP, Severity.WARNING),  # what it clears is told to its end before
        (AlarmPhase.ALL_CLEAR, Severity.INFO),
    ]


def test_the_same_of_many_cameras_is_told_one_by_one_and_then_together() -> None:
    rules = Rules(SETTINGS.model_copy(update={"cameras_named": 3, "max_windows": 10_000}))
    alarms = []
    for number in range(500):
        name = f"cam-{number}"
        alarms += rules.see(
            happening(number, camera_id=name, subject=name, crowd=True, place=None), now(1)
        )
    alarms += tick(rules, now(40))
    assert [alarm.camera_id for alarm in alarms[:3]] == ["cam-0", "cam-1", "cam-2"]
    assert {alarm.camera_id for alarm in alarms[3:]} == {"several-cameras"}
    assert len(alarms) < 10
    assert sum(alarm.count for alarm in alarms) == 500
    assert "cam-14, cam-15" in alarms[-1].message


def test_defects_are_never_told_together() -> None:
    rules = Rules(SETTINGS.model_copy(update={"cameras_named": 3}))
    for number in range(60):
        (alarm,) = rules.see(happening(number, camera_id=f"cam-{number}"), now(1))
        assert alarm.camera_id == f"cam-{number}"


def test_a_standing_condition_is_told_rarely_and_holds_no_position() -> None:
    rules, alarms = Rules(SETTINGS), []
    for second in range(590):
        alarms += rules.see(happening(second, second, standing=True), now(second))
        alarms += tick(rules, now(second))
        assert rules.held() == {}
    assert [(alarm.count, alarm.severity) for alarm in alarms] == [(1, Severity.WARNING)]
    (rest,) = tick(rules, now(602))
    assert (rest.count, rest.severity) == (589, Severity.WARNING)


def test_what_a_happening_says_fits_into_an_alarm() -> None:
    long = "x" * 100_000
    odd = happening(
        1, camera_id=long, text=long + "\ud800", category=long, evidence=long, traceparent=long,
        weight=10**400,
    )  # fmt: skip
    (alarm,) = Rules(SETTINGS).see(odd, now(0))
    assert len(alarm.encode().value) < 4000
    other = happening(2, camera_id=long + "y")
    assert odd.camera_id != other.camera_id
