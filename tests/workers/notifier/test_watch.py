"""Gaps and silence: told once, not for redeliveries, late outcomes or replays."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from schemas.alarm import Severity
from schemas.documents import samples
from schemas.outcome import Outcome
from workers.notifier.happenings import Happening, Place
from workers.notifier.settings import WatchSettings
from workers.notifier.watch import Watch
from workers.runtime.bus.ports import Partition

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
OUTCOMES = Partition("outcomes", 0)
SETTINGS = WatchSettings(silent_after_s=60, gap_grace_s=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def outcome(sequence: int, camera: str = "cam-1", epoch: str = "e1", run: str = "live") -> Outcome:
    frame = samples.OUTCOME.frame
    assert frame is not None
    ref = frame.model_copy(
        update={
            "sequence": sequence,
            "camera_id": camera,
            "epoch": epoch,
            "frame_id": f"f{sequence}",
        }
    )
    return samples.OUTCOME.model_copy(update={"frame": ref, "run": run})


class Line:
    """A watched camera; offsets count by themselves."""

    def __init__(self, settings: WatchSettings = SETTINGS) -> None:
        self.watch = Watch(settings, START)
        self.offset = 0

    def see(self, *sequences: int, seconds: float = 0, **frame: str) -> "Line":
        for sequence in sequences:
            self.watch.see(outcome(sequence, **frame), Place(OUTCOMES, self.offset), at(seconds))
            self.offset += 1
        return self

    def told(self, seconds: float) -> list[str]:
        return [found.text for found in self.watch.tick(at(seconds))]


def never_open(camera_id: str, cause: str) -> bool:
    return False


def test_an_unbroken_sequence_is_fine_wherever_it_starts() -> None:
    assert Line().see(17, 18, 19).told(30) == []


def test_a_gap_is_told_once_after_the_grace() -> None:
    line = Line().see(1, 2, 5)
    assert line.told(4) == []
    assert line.told(5) == ["2 frames without an outcome (sequence 3 to 4)"]
    assert line.told(6) == []


def test_a_gap_weighs_its_frames_and_names_its_record() -> None:
    line = Line().see(1, 5)
    (gap,) = line.watch.tick(at(10))
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
    line.watch.see(rejected, Place(OUTCOMES, 0), START)
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
    (silence,) = line.watch.tick(at(60))
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
    line.watch.excuse(timedelta(seconds=100))
    assert line.told(120) == []
    assert line.told(160) == ["no outcome for 60 s"]


def test_the_number_of_cameras_is_bounded() -> None:
    line = Line(SETTINGS.model_copy(update={"max_cameras": 2}))
    for name in ("a", "b", "a", "c"):
        line.see(1, camera=name)
    assert list(line.watch._cameras) == ["a", "c"]


def test_an_open_gap_holds_the_position_of_the_record_that_showed_it() -> None:
    line = Line().see(1, 2, 5, 6)
    assert line.watch.held() == {OUTCOMES: 2}
    line.watch.tick(at(10))
    assert line.watch.held() == {}


def restarted(line: Line, read_from: int, seconds: float = 0) -> Line:
    """The line after a restart: only what was in the snapshot is known."""
    snapshot = json.loads(json.dumps(line.watch.snapshot({OUTCOMES: read_from})))
    fresh = Line()
    fresh.offset = read_from
    fresh.watch.restore(snapshot, at(seconds))
    fresh.watch.activate([OUTCOMES], at(seconds))
    return fresh


def test_a_gap_across_a_restart_is_seen() -> None:
    line = restarted(Line().see(1, 2), read_from=2)
    assert line.see(4).told(30) == ["1 frame without an outcome (sequence 3)"]


def test_a_camera_that_was_known_before_a_restart_can_fall_silent() -> None:
    assert restarted(Line().see(1), read_from=1, seconds=10).told(70) == ["no outcome for 60 s"]


def test_a_gap_that_was_open_at_a_crash_is_found_again() -> None:
    line = Line().see(1, 2, 5, 6)
    line.watch.tick(at(10))
    line.watch.settle(lambda camera, cause: True)  # its alarm's window is still open
    line = restarted(line, read_from=2)
    assert line.see(5, 6, 7).told(30) == ["2 frames without an outcome (sequence 3 to 4)"]


def test_a_gap_that_was_told_is_not_found_again() -> None:
    line = Line().see(1, 2, 5, 6)
    line.watch.tick(at(10))
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
    fresh.watch.restore(Line().see(1).watch.snapshot({OUTCOMES: 1}), START)
    fresh.watch.activate([Partition("outcomes", 1)], START)
    assert fresh.told(1000) == []


def test_revoked_cameras_are_forgotten() -> None:
    line = Line().see(1)
    line.watch.forget([OUTCOMES])
    assert line.told(1000) == []
    assert line.see(40, 41).told(30) == []


@pytest.mark.parametrize("lost", [0, 3, 9])
def test_any_single_lost_frame_is_named(lost: int) -> None:
    line = Line().see(*(n for n in range(12) if n != lost), epoch="e0")
    expected = [] if lost == 0 else [f"1 frame without an outcome (sequence {lost})"]
    assert line.told(30) == expected  # before the first frame that is seen nothing can be missed
