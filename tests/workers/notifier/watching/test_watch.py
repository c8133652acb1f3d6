"""Gaps and silence: told once, not for redeliveries, late outcomes or replays."""

import pytest
from line import OUTCOMES, SETTINGS, Line, never_open, now, restarted

from schemas.alarm import Severity
from schemas.documents import samples
from workers.notifier.deciding.happenings import Happening, Place
from workers.notifier.settings import WatchSettings
from workers.runtime.bus.ports import Partition


def test_an_unbroken_sequence_is_fine_wherever_it_starts() -> None:
    assert Line().see(17, 18, 19).told(30) == []


def test_a_gap_is_told_once_after_the_grace() -> None:
    line = Line().see(1, 2, 5)
    assert line.told(4) == []
    assert line.told(5) == ["2 frames without an outcome (sequence 3 to 4)"]
    assert line.told(6) == []


def test_a_gap_weighs_its_frames_and_names_its_record() -> None:
    line = Line().see(1, 5)
    (gap,) = line.watch.tick(now(10))
    assert isinstance(gap, Happening)
    assert (gap.weight, gap.cause, gap.place) == (3, "sequence-gap", Place(OUTCOMES, 1))
    assert gap.kind.value == "not-inspected"


def test_a_redelivery_is_no_gap() -> None:
    assert Line().see(1, 2, 3, 1, 2, 3, 4).told(30) == []


def test_a_late_outcome_fills_its_gap() -> None:
    assert Line().see(1, 3, 2, 4).told(30) == []


def test_a_gap_that_is_partly_filled_is_told_without_what_came() -> None:
    line = Line().see(1, 6, 3)
    assert sorted(line.told(30)) == [
        "1 frame without an outcome (sequence 2)",
        "2 frames without an outcome (sequence 4 to 5)",
    ]


def test_a_new_epoch_starts_at_zero() -> None:
    assert Line().see(7, 8).see(0, 1, epoch="e2").told(30) == []


def test_frames_missing_at_the_start_of_a_new_epoch_are_a_gap() -> None:
    line = Line().see(7, 8).see(2, epoch="e2")
    assert line.told(30) == ["2 frames without an outcome (sequence 0 to 1)"]


def test_late_outcomes_of_an_earlier_epoch_are_no_restart() -> None:
    assert Line().see(7, 8).see(0, epoch="e2").see(7, 8).see(1, epoch="e2").told(30) == []


def test_a_replay_is_not_watched() -> None:
    assert Line().see(1, 2).see(50, run="replay-1").see(3).told(30) == []


def test_an_outcome_without_a_frame_is_not_watched() -> None:
    line = Line()
    rejected = samples.REJECTED.model_copy(update={"frame": None})
    line.watch.see(rejected, Place(OUTCOMES, 0), now(0))
    assert line.told(1000) == []


def test_cameras_are_counted_apart() -> None:
    line = Line().see(1).see(10, camera="cam-2").see(2).see(11, camera="cam-2")
    assert line.told(30) == []


def test_too_many_open_gaps_are_told_before_their_time() -> None:
    line = Line()
    for number in range(40):
        line.see(2 * number)
    assert len(line.told(0)) == 39 - 32
    assert len(line.told(10)) == 32


def test_a_silent_camera_is_told_once_until_it_is_heard_again() -> None:
    line = Line().see(1)
    assert line.told(59) == []
    (silence,) = line.watch.tick(now(60))
    assert (silence.cause, silence.severity) == ("camera-silent", Severity.CRITICAL)
    assert line.told(120) == []
    line.see(2, seconds=130)
    assert line.told(189) == []
    assert line.told(190) == ["no outcome for 60 s"]


def test_silence_can_be_switched_off() -> None:
    assert Line(WatchSettings(silent_after_s=0)).see(1).told(10_000) == []


def test_an_expected_camera_that_never_came_is_silent() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-9"]))
    assert line.told(60) == ["no outcome for 60 s"]


def test_an_expected_camera_may_start_anywhere_in_its_sequence() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1"]))
    assert line.see(500, 501).told(30) == []


def test_our_own_pause_is_nobodys_silence() -> None:
    line = Line().see(1)
    line.watch.excuse(100)
    assert line.told(120) == []
    assert line.told(160) == ["no outcome for 60 s"]


def test_the_number_of_cameras_is_bounded() -> None:
    line = Line(SETTINGS.model_copy(update={"max_newcomers": 2}))
    for name in ("a", "b", "a", "c"):
        line.see(1, camera=name)
    assert [camera.camera_id for camera in line.watch.roster] == ["a", "c"]


def test_an_open_gap_holds_the_position_of_the_record_that_showed_it() -> None:
    line = Line().see(1, 2, 5, 6)
    assert line.watch.held() == {OUTCOMES: 2}
    line.watch.tick(now(10))
    assert line.watch.held() == {}


def test_a_gap_across_a_restart_is_seen() -> None:
    line = restarted(Line().see(1, 2), read_from=2)
    assert line.see(4).told(30) == ["1 frame without an outcome (sequence 3)"]


def test_a_camera_that_was_known_before_a_restart_can_fall_silent() -> None:
    assert restarted(Line().see(1), read_from=1, seconds=10).told(70) == ["no outcome for 60 s"]


def test_a_gap_that_was_open_at_a_crash_is_found_again() -> None:
    line = Line().see(1, 2, 5, 6)
    line.watch.tick(now(10))
    line.watch.settle(lambda camera, cause: True)  # its alarm's window is still open
    line = restarted(line, read_from=2)
    assert line.see(5, 6, 7).told(30) == ["2 frames without an outcome (sequence 3 to 4)"]


def test_a_gap_that_was_told_is_not_found_again() -> None:
    line = Line().see(1, 2, 5, 6)
    line.watch.tick(now(10))
    line.watch.settle(never_open)
    line = restarted(line, read_from=2)
    assert line.see(5, 6, 7).told(30) == []


def test_a_gap_in_its_grace_is_not_settled() -> None:
    line = Line().see(1, 2, 5)
    line.watch.settle(never_open)
    assert restarted(line, read_from=2).see(5).told(30) != []


def test_a_gap_before_a_new_epoch_survives_a_crash() -> None:
    line = Line().see(7).see(2, epoch="e2")
    line = restarted(line, read_from=1)
    line.see(2, 3, epoch="e2")
    assert line.told(30) == ["2 frames without an outcome (sequence 0 to 1)"]


def test_what_somebody_else_read_meanwhile_is_no_gap() -> None:
    line = restarted(Line().see(1, 2), read_from=2)
    line.offset = 50
    assert line.see(90, 91).told(30) == []


def test_what_is_remembered_of_others_partitions_does_not_count() -> None:
    fresh = Line()
    fresh.watch.restore(Line().see(1).watch.snapshot(), now(0))
    fresh.watch.activate([Partition("outcomes", 1)], now(0))
    assert fresh.told(1000) == []


def test_revoked_cameras_are_forgotten() -> None:
    line = Line().see(1)
    line.watch.forget([OUTCOMES], now(0))
    assert line.told(1000) == []
    assert line.see(40, 41).told(30) == []


@pytest.mark.parametrize("lost", [0, 3, 9])
def test_any_single_lost_frame_is_named(lost: int) -> None:
    line = Line().see(*(n for n in range(12) if n != lost), epoch="e0")
    expected = [] if lost == 0 else [f"1 frame without an outcome (sequence {lost})"]
    assert line.told(30) == expected  # before the first frame that is seen nothing can be missed
