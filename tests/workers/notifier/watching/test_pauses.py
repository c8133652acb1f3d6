"""Silence that was announced: ends in order, plans, pauses by command."""

from datetime import UTC, datetime, timedelta

import pytest
from line import Line, at, now

from schemas.camera_state import CameraCondition, CameraState
from workers.notifier.settings import PauseSettings, WatchSettings
from workers.notifier.watching.pauses import Plan
from workers.runtime.errors import SettingsError

HOUR = 3600.0


def state(
    condition: str, camera: str = "cam-1", seconds: float = 0, **changes: object
) -> CameraState:
    return CameraState(
        state_id="0" * 32,
        camera=camera,
        state=CameraCondition(condition),
        by="somebody",
        announced_at=at(seconds),
        **changes,  # type: ignore[arg-type]
    )


def stopped(frames: int | None, seconds: float = 10, epoch: str | None = "e1") -> CameraState:
    return state("stopped", seconds=seconds, frames=frames, epoch=epoch)


def hear(line: Line, announced: CameraState, seconds: float = 0) -> Line:
    line.watch.hear(announced, now(seconds))
    return line


def test_an_end_in_order_is_no_alarm() -> None:
    assert hear(Line().see(0, 1, 2), stopped(3)).told(HOUR) == []


def test_an_end_nobody_announced_is_critical() -> None:
    (silence,) = Line().see(0, 1, 2).watch.tick(now(60))
    assert silence.severity.value == "critical"


def test_frames_missing_at_an_announced_end_are_told() -> None:
    line = hear(Line().see(0, 1, 2), stopped(5))
    (text,) = line.told(60)
    assert "its last 2 frames are missing (sequence 3 to 4)" in text
    line = hear(Line().see(0, 1, 2), stopped(5)).see(3, 4, seconds=50)
    assert line.told(HOUR) == []


def test_the_end_may_be_heard_before_the_last_outcomes() -> None:
    line = hear(Line(), stopped(3)).see(0, 1, 2, seconds=40)
    assert line.told(HOUR) == []


@pytest.mark.parametrize("epoch", ["e2", "e1"])
def test_a_camera_that_came_back_after_its_end_is_watched(epoch: str) -> None:
    """Also one that says no epoch, and counts on."""
    line = hear(Line().see(0, 1, 2), stopped(3)).see(3, epoch=epoch, captured=20, seconds=20)
    assert "no outcome for 60 s" in line.told(80)


def test_the_end_of_an_earlier_start_says_nothing() -> None:
    line = hear(Line().see(0, 1).see(0, epoch="e2", captured=5), stopped(2))
    assert line.told(60) == ["no outcome for 60 s"]


def test_an_expected_camera_that_ended_before_we_started_is_not_missed() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1", "cam-2"]))
    hear(line, stopped(3))
    assert [found.camera_id for found in line.watch.tick(now(HOUR))] == ["cam-2"]


def test_a_pause_silences_the_silence_and_its_end_starts_the_count_anew() -> None:
    line = Line().see(1)
    hear(line, state("paused", "cam-*", until=at(600)))
    assert line.told(300) == line.told(599) == []
    assert line.told(650) == []
    assert line.told(660) == ["no outcome for 61 s"]


def test_a_pause_of_others_changes_nothing() -> None:
    line = hear(Line().see(1), state("paused", "line-2-*", until=at(600)))
    assert line.told(60) == ["no outcome for 60 s"]


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_does_not_move_a_pause(step: float) -> None:
    line = hear(Line().see(1), state("paused", "*", until=at(600)))
    assert line.watch.tick(now(500, wall=500 + step)) == []
    assert line.watch.tick(now(599, wall=599 + step)) == []
    assert len(line.watch.tick(now(700, wall=700 + step))) == 1


def test_a_pause_can_be_ended_before_its_time() -> None:
    line = hear(Line().see(1), state("paused", "cam-1", until=at(6000)))
    hear(line, state("resumed", "*", seconds=10), seconds=10)
    assert line.told(80) == ["no outcome for 80 s"]


def test_an_end_of_a_pause_that_is_read_before_it_counts() -> None:
    """Partitions are read in no order, and all of the topic is read again at each start."""
    line = hear(Line().see(1), state("resumed", "*", seconds=10), seconds=20)
    hear(line, state("paused", "cam-1", until=at(6000)), seconds=20)
    assert line.told(80) == ["no outcome for 80 s"]


def test_a_pause_for_ever_ends_after_a_month() -> None:
    forever = datetime(9999, 12, 31, tzinfo=UTC)
    line = hear(Line().see(1), state("paused", "*", until=forever))
    assert line.told(30 * 86400) == []
    line.told(31 * 86400 - 1)
    assert len(line.told(32 * 86400)) == 1


def test_a_pause_needs_an_end() -> None:
    with pytest.raises(ValueError, match="until"):
        state("paused")


def plan(**pause: object) -> Plan:
    return Plan([PauseSettings(**pause)], "Europe/Berlin")  # type: ignore[arg-type]


def berlin(text: str) -> datetime:
    """2026-03-13 is a Friday; Berlin is an hour ahead of UTC until the 29th, then two."""
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "rests"),
    [
        ("2026-03-13T21:59+01:00", False),
        ("2026-03-13T22:00+01:00", True),
        ("2026-03-14T05:59+01:00", True),  # of Friday's night
        ("2026-03-14T06:00+01:00", False),
        ("2026-03-14T22:30+01:00", False),  # Saturday's night is not in the plan
        ("2026-03-15T01:00+01:00", False),
    ],
)
def test_a_pause_over_midnight_belongs_to_the_day_of_its_start(moment: str, rests: bool) -> None:
    nights = plan(days=["mon", "tue", "wed", "thu", "fri"], start="22:00", end="06:00")
    assert nights.covers("cam-1", berlin(moment)) is rests


def test_a_plan_follows_its_zone_through_the_change_of_summer_time() -> None:
    noon = plan(start="12:00", end="13:00")
    assert noon.covers("cam-1", datetime(2026, 3, 28, 11, 30, tzinfo=UTC))
    assert noon.covers("cam-1", datetime(2026, 3, 30, 10, 30, tzinfo=UTC))
    assert not noon.covers("cam-1", datetime(2026, 3, 30, 11, 30, tzinfo=UTC))


def test_a_whole_day_and_chosen_cameras() -> None:
    sundays = plan(days=["sun"], cameras=["line-1-*"])
    sunday = datetime(2026, 3, 15, 12, tzinfo=UTC)
    assert sundays.covers("line-1-cam-2", sunday)
    assert not sundays.covers("line-2-cam-2", sunday)
    assert not sundays.covers("line-1-cam-2", sunday + timedelta(days=1))


def test_the_plan_silences_the_silence() -> None:
    pause = PauseSettings(start="09:00", end="10:00")  # type: ignore[arg-type]
    line = Line(WatchSettings(silent_after_s=60, planned_pauses=[pause]))
    line.see(1)  # at 09:00
    assert line.told(1800) == line.told(3599) == []
    assert line.told(3659) == ["no outcome for 60 s"]


def test_a_zone_that_nobody_knows_is_refused() -> None:
    from workers.notifier.settings import NotifierProcessSettings

    with pytest.raises(SettingsError, match=r"notifier\.watch\.zone.*Mars"):
        NotifierProcessSettings.load(None, {"notifier.watch.zone": "Mars/Olympus"})
