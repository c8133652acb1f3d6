"""Grouping: who is told, how often, and how far positions may move meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.alarm import AlarmKind, Severity
from workers.notifier.happenings import Happening, Place
from workers.notifier.rules import Rules, alarm_id
from workers.notifier.settings import RuleSettings
from workers.runtime.bus.ports import Partition

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
DEFECTS = Partition("defects", 0)
SETTINGS = RuleSettings(window_s=30, escalate_after=10, max_windows=100, remember_events=1000)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


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
    (alarm,) = Rules(SETTINGS).see(happening(1), at(0.2))
    assert (alarm.count, alarm.severity, alarm.cause) == (1, Severity.WARNING, "defect")
    assert alarm.message == "cam-1: text 1"
    assert alarm.frame_ids == ["frame-1"]
    assert (alarm.first_seen, alarm.raised_at) == (at(0), at(0.2))


def test_more_of_the_same_is_counted_and_told_when_the_window_closes() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), at(0))
    for number in (2, 4, 3):
        assert rules.see(happening(number, number), at(number)) == []
    assert rules.tick(at(29)) == []
    (alarm,) = rules.tick(at(31))
    assert (alarm.count, alarm.message) == (3, "cam-1: 3 more, e.g. text 4")
    assert (alarm.first_seen, alarm.last_seen) == (at(2), at(4))
    assert rules.tick(at(100)) == []


def test_a_single_event_has_no_second_alarm() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), at(0))
    assert rules.tick(at(31)) == []
    assert not rules.is_open("cam-1", "defect")


def test_cameras_and_causes_are_told_apart() -> None:
    rules = Rules(SETTINGS)
    assert rules.see(happening(1), at(0))
    assert rules.see(happening(2, camera_id="cam-2"), at(0))
    assert rules.see(happening(3, cause="undecodable"), at(0))
    assert rules.see(happening(4), at(0)) == []


def test_many_in_a_window_raise_the_severity_once_and_at_once() -> None:
    rules = Rules(SETTINGS)
    alarms = [alarm for n in range(20) for alarm in rules.see(happening(n, n), at(n))]
    first, louder = alarms
    assert (first.severity, first.count) == (Severity.WARNING, 1)
    assert (louder.severity, louder.count, louder.raised_at) == (Severity.CRITICAL, 9, at(9))
    (rest,) = rules.tick(at(31))
    assert (rest.severity, rest.count) == (Severity.CRITICAL, 10)


def test_a_heavy_first_event_is_critical_from_the_start() -> None:
    (alarm,) = Rules(SETTINGS).see(happening(1, weight=10), at(0))
    assert (alarm.severity, alarm.count) == (Severity.CRITICAL, 10)


def test_a_critical_event_in_a_mild_window_is_told_at_once() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), at(0))
    (alarm,) = rules.see(happening(2, severity=Severity.CRITICAL), at(1))
    assert alarm.severity is Severity.CRITICAL


def test_a_redelivered_event_is_not_counted_twice() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1), at(0))
    rules.see(happening(2), at(1))
    assert rules.see(happening(1), at(2)) == rules.see(happening(2), at(2)) == []
    (alarm,) = rules.tick(at(31))
    assert (alarm.count, rules.repeated) == (1, 2)


def test_the_memory_of_events_is_bounded() -> None:
    rules = Rules(SETTINGS.model_copy(update={"remember_events": 3}))
    for number in range(10):
        rules.see(happening(number), at(0))
    assert len(rules._seen) == 3


def test_an_event_after_the_window_opens_a_new_one() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(1, 0), at(0))
    rules.see(happening(2, 1), at(1))
    closing, opening = rules.see(happening(3, 30), at(30))
    assert (closing.count, closing.frame_ids) == (1, ["frame-2"])
    assert (opening.count, opening.frame_ids) == (1, ["frame-3"])


def test_alarm_ids_are_distinct_within_a_window() -> None:
    rules = Rules(SETTINGS)
    alarms = rules.see(happening(1), at(0))
    rules.see(happening(2), at(1))
    alarms += rules.tick(at(31))
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
    for event in events:
        first += live.tick(event.at)
        first += live.see(event, event.at)
    for event in events:
        second += again.see(event, at(80 + delay))
    first += live.finish(at(80))
    second += again.finish(at(80 + delay))
    summary = [(alarm.alarm_id, alarm.count, alarm.severity) for alarm in first]
    assert [(a.alarm_id, a.count, a.severity) for a in second] == summary
    assert sum(alarm.count for alarm in first) == len(events)


def test_positions_are_held_at_the_first_record_of_an_open_window() -> None:
    rules = Rules(SETTINGS)
    rules.see(happening(5, 0), at(0))
    rules.see(happening(6, 1), at(1))
    rules.see(happening(3, 1, camera_id="cam-2", place=Place(DEFECTS, 7)), at(1))
    assert rules.held() == {DEFECTS: 5}
    rules.see(happening(8, 31), at(31))
    assert rules.held() == {DEFECTS: 7}
    rules.tick(at(100))
    assert rules.held() == {}


def test_too_many_windows_close_the_quietest() -> None:
    rules = Rules(SETTINGS.model_copy(update={"max_windows": 2}))
    rules.see(happening(1, camera_id="a"), at(0))
    rules.see(happening(2, camera_id="b"), at(0))
    rules.see(happening(3, camera_id="a"), at(0))
    rules.see(happening(4, camera_id="c"), at(0))
    assert [rules.is_open(name, "defect") for name in "abc"] == [True, False, True]
    rules.see(happening(5, camera_id="c"), at(1))
    (alarm, _) = rules.see(happening(6, camera_id="d"), at(1))
    assert (alarm.camera_id, alarm.count) == ("a", 1)


def test_revoked_partitions_are_forgotten_so_that_they_can_be_read_again() -> None:
    rules = Rules(SETTINGS)
    other = Partition("defects", 1)
    rules.see(happening(1), at(0))
    rules.see(happening(2, camera_id="cam-2", place=Place(other, 0)), at(0))
    rules.forget([DEFECTS])
    assert rules.held() == {other: 0}
    assert rules.see(happening(1), at(1))
    assert rules.see(happening(2, camera_id="cam-2", place=Place(other, 0)), at(1)) == []


def test_an_alarm_lists_the_first_frames_only() -> None:
    rules = Rules(SETTINGS.model_copy(update={"escalate_after": 1000}))
    for number in range(50):
        rules.see(happening(number, 0), at(0))
    (alarm,) = rules.finish(at(1))
    assert (alarm.count, len(alarm.frame_ids)) == (49, 20)
