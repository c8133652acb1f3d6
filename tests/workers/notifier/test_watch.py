"""Gaps and silence: told once, not for redeliveries, late outcomes or replays."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from schemas.alarm import Severity
from schemas.documents import samples
from schemas.outcome import Outcome, RecordRef, outcome_id
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, Place
from workers.notifier.settings import WatchSettings
from workers.notifier.watching.watch import Watch
from workers.runtime.bus.ports import Partition

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
OUTCOMES = Partition("outcomes", 0)
SETTINGS = WatchSettings(silent_after_s=60, gap_grace_s=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def now(seconds: float, wall: float | None = None) -> Now:
    """A moment; the wall clock may show another."""
    return Now(1000 + seconds, at(seconds if wall is None else wall))


def outcome(
    sequence: int,
    camera: str = "cam-1",
    epoch: str = "e1",
    *,
    run: str = "live",
    frame_id: str | None = None,
    captured: float = 0,
    offset: int | None = None,
    **changes: object,
) -> Outcome:
    frame = samples.OUTCOME.frame
    assert frame is not None
    frame_id = frame_id or f"{camera}-{epoch}-{sequence}"
    ref = frame.model_copy(
        update={
            "sequence": sequence,
            "camera_id": camera,
            "epoch": epoch,
            "frame_id": frame_id,
            "captured_at": at(captured),
        }
    )
    own = {
        "frame": ref,
        "run": run,
        "outcome_id": outcome_id(f"/cameras/{camera}", frame_id, run),
        "decided_at": at(captured + 1),
    }
    if offset is not None:
        own["record"] = RecordRef(topic="frames", partition=2, offset=offset)
    return samples.OUTCOME.model_copy(update=own | changes)


class Line:
    """A watched camera; offsets count by themselves."""

    def __init__(self, settings: WatchSettings = SETTINGS) -> None:
        self.watch = Watch(settings, now(0))
        self.offset = 0
        self.said: list[Happening] = []  # at once, as outcomes came

    def see(self, *sequences: int, seconds: float = 0, **frame: object) -> "Line":
        for sequence in sequences:
            self.take(outcome(sequence, **frame), seconds)  # type: ignore[arg-type]
        return self

    def take(self, outcome: Outcome, seconds: float = 0) -> "Line":
        self.said += self.watch.see(outcome, Place(OUTCOMES, self.offset), now(seconds))
        self.offset += 1
        return self

    def told(self, seconds: float) -> list[str]:
        return [found.text for found in self.watch.tick(now(seconds))]

    @property
    def causes(self) -> list[str]:
        return [found.cause for found in self.said]


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


def restarted(line: Line, read_from: int, seconds: float = 0) -> Line:
    """The line after a restart: only what was in the snapshot is known."""
    snapshot = json.loads(json.dumps(line.watch.snapshot()))
    snapshot["positions"] = [[OUTCOMES.topic, OUTCOMES.index, read_from, 0]]
    fresh = Line()
    fresh.offset = read_from
    fresh.watch.restore(snapshot, now(seconds))
    fresh.watch.activate([OUTCOMES], now(seconds))
    return fresh


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


# What a camera says of itself is doubted.


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((65534, 65535, 0, 1, 3), ["2"]),  # a word of 16 bits
        ((65535, 1, 2, 4), ["3"]),  # ... of a camera that never uses 0
        ((65533, 65535, 0, 1), ["65534"]),
        ((0, 1, 65534, 65535, 1), None),  # it does use 0: that one is missing
        ((2**32 - 2, 2**32 - 1, 0, 2), ["1"]),
        ((254, 255, 0, 1, 3), ["2"]),
        ((9998, 9999, 0, 1, 3), ["2"]),  # a display of four digits
        ((65530, 3, 4), ["65531 to 65535", "1 to 2"]),  # frames are lost around the end
    ],
)
def test_a_counter_that_wraps_is_followed(
    numbers: tuple[int, ...], missing: list[str] | None
) -> None:
    line = Line()
    for second, number in enumerate(numbers):
        line.see(number, epoch="0", captured=second)
    told = line.told(30)
    if missing is None:
        assert told[-1] == "1 frame without an outcome (sequence 0)"
        return
    assert [text.partition("sequence ")[2].rstrip(")") for text in told] == missing
    assert line.said == []


@pytest.mark.parametrize("style", ["times", "offsets", "neither"])
def test_a_restart_without_an_epoch_is_followed(style: str) -> None:
    """Whether or not times and coordinates help: a gap after it is seen."""
    line = Line()
    numbers = [*range(500, 520), *range(20), 22]
    for at_, number in enumerate(numbers):
        told = {"times": {"captured": at_}, "offsets": {"offset": at_}, "neither": {}}[style]
        line.see(number, epoch="0", frame_id=f"f-{at_}", **told)
    assert line.told(30) == ["2 frames without an outcome (sequence 20 to 21)"]
    assert line.causes == []


def test_frames_lost_right_after_a_restart_without_an_epoch_are_a_gap() -> None:
    line = Line()
    for second, number in enumerate([0, *range(1, 30), 3, 4]):
        line.see(number, epoch="0", captured=second, frame_id=f"f-{second}")
    assert line.told(30) == ["3 frames without an outcome (sequence 0 to 2)"]


def test_a_restart_with_a_clock_that_went_back_is_followed() -> None:
    line = Line()
    for second in range(30):
        line.see(100 + second, epoch="0", captured=3600 + second)
    for second in range(30):
        line.see(second, epoch="0", captured=second, frame_id=f"again-{second}")
    line.see(32, epoch="0", captured=40)
    assert line.told(30)[-1] == "2 frames without an outcome (sequence 30 to 31)"


def test_a_topic_that_was_made_anew_leaves_no_camera_unwatched() -> None:
    line = Line()
    for second in range(5):
        line.see(second, captured=second, offset=1000 + second)
    line.see(7, captured=7, offset=0).see(9, captured=9, offset=1)
    assert len(line.told(30)) == 2


@pytest.mark.parametrize("jump", [10**9, 10**12, 10**17])
def test_a_jump_that_no_camera_can_take_is_a_contradiction_and_no_gap(jump: int) -> None:
    line = Line().see(1, 2)
    line.see(jump, captured=1).see(jump + 1, jump + 3, captured=2)
    assert line.causes == ["camera-contradiction"]
    assert line.told(30) == [f"1 frame without an outcome (sequence {jump + 2})"]


def test_one_wrong_number_does_not_break_the_count() -> None:
    line = Line()
    for second, number in enumerate((5, 10**12, 6, 7, 9)):
        line.see(number, captured=second)
    assert line.told(30) == ["1 frame without an outcome (sequence 8)"]


def test_a_long_outage_of_a_fast_camera_is_a_gap() -> None:
    line = Line().see(1, captured=0).see(1_000_001, captured=8 * 3600)
    assert line.causes == []
    assert line.told(30) == ["999999 frames without an outcome (sequence 2 to 1000000)"]


def test_two_senders_under_one_id_are_told_and_gaps_of_both_are_seen() -> None:
    line = Line()
    for second in range(12):
        line.see(second, captured=2 * second, epoch="a").see(second, captured=2 * second + 1)
    assert set(line.causes) == {"camera-contradiction"}
    assert "two senders" in line.said[-1].text


def test_two_senders_without_epochs_are_told() -> None:
    line = Line()
    for second in range(30):
        line.see(second, captured=2 * second, epoch="0", frame_id=f"a{second}")
        line.see(500 + second, captured=2 * second + 1, epoch="0", frame_id=f"b{second}")
        line.watch.tick(now(10 * second))
    assert "camera-contradiction" in line.causes


def test_a_camera_that_always_says_the_same_number_is_told() -> None:
    line = Line()
    for second in range(10):
        line.see(0, captured=second, epoch="0", frame_id=f"f{second}")
    assert "camera-contradiction" in line.causes


def test_a_new_epoch_with_every_frame_is_told() -> None:
    line = Line()
    for second in range(10):
        line.see(second, captured=second, epoch=f"e{second}")
    assert "camera-contradiction" in line.causes


def test_a_restart_now_and_then_is_no_contradiction() -> None:
    line = Line()
    for start in range(10):
        for number in range(20):
            line.see(number, captured=100 * start + number, epoch=f"e{start}")
    assert (line.causes, line.told(30)) == ([], [])


def test_the_same_id_for_every_frame_is_told_and_every_frame_counts() -> None:
    line = Line()
    for second in range(8):
        line.see(second, captured=second, frame_id="1")
    assert line.causes == ["camera-contradiction"] * 7
    assert line.watch.identities.repeated == 7
    line.see(9, captured=9, frame_id="1")
    assert line.told(30) == ["1 frame without an outcome (sequence 8)"]


def test_the_same_picture_sent_twice_is_no_contradiction() -> None:
    line = Line().see(1, 2, captured=1, offset=1).see(2, captured=1, offset=2).see(3, captured=2)
    assert (line.causes, line.told(30)) == ([], [])


def test_the_same_id_and_number_with_another_picture_is_told() -> None:
    """Firmware that counts from 1 after each restart, with a clock that stands still."""
    one = outcome(1, frame_id="1", offset=1)
    assert one.frame is not None
    other = outcome(1, frame_id="1", offset=2)
    changed = other.model_copy(update={"frame": one.frame.model_copy(update={"content": "beef"})})
    assert Line().take(one).take(changed).causes == ["camera-contradiction"]


@pytest.mark.parametrize(("captured", "said"), [(3600, "ahead"), (-10 * 86400, "behind")])
def test_a_clock_that_cannot_be_right_is_told(captured: float, said: str) -> None:
    line = Line()
    for number in range(3):
        line.take(outcome(number, captured=captured, decided_at=at(number)))
    doubt = line.said[-1]
    assert (doubt.cause, doubt.standing) == ("camera-contradiction", True)
    assert said in doubt.text


def test_one_frame_that_waited_for_long_is_no_lie() -> None:
    line = Line().take(outcome(1, captured=-10 * 86400, decided_at=at(0)))
    assert line.see(2, captured=1).causes == []


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_impossible_times_break_nothing(year: int) -> None:
    odd = datetime(year, 1, 1, tzinfo=UTC)
    line = Line().see(1)
    assert line.watch.roster.find("cam-1") is not None
    frame = outcome(2).frame
    assert frame is not None
    changed = frame.model_copy(update={"captured_at": odd, "frame_id": "x"})
    line.take(outcome(2).model_copy(update={"frame": changed}))
    line.see(5)
    assert line.told(30) == ["2 frames without an outcome (sequence 3 to 4)"]


# Who gives way.


def test_expected_cameras_never_give_way_to_ids_that_do_not_exist() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1", "cam-2"]))
    line.see(1)
    for number in range(1100):
        line.see(1, camera=f"ghost-{number}", seconds=1)
    assert {found.camera_id for found in line.said} == {"unknown-cameras"}
    assert len(line.said) == 1100
    silent = line.watch.tick(now(100))
    assert [found.camera_id for found in silent] == ["cam-1", "cam-2"]
    assert len(line.watch.roster) == 2 + 1000


def test_a_camera_that_is_not_listed_but_sends_steadily_is_watched() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1"]))
    line.see(*range(20), camera="cam-7")
    assert [found.camera_id for found in line.watch.tick(now(60))] == ["cam-1", "cam-7"]


def test_familiar_cameras_do_not_give_way_to_newcomers() -> None:
    line = Line(SETTINGS.model_copy(update={"max_newcomers": 10}))
    line.see(*range(12))
    for number in range(100):
        line.see(1, camera=f"ghost-{number}")
    assert line.watch.roster.find("cam-1") is not None
    assert line.watch.roster.crowded_out == 90
    assert line.causes == ["unknown-camera"] * 90


# Clocks.


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_is_nobodys_silence_and_hides_none(step: float) -> None:
    line = Line().see(1)
    assert line.watch.tick(now(59, wall=59 + step)) == []
    (silence,) = line.watch.tick(now(60, wall=60 + step))
    assert silence.text == "no outcome for 60 s"


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_ends_no_grace(step: float) -> None:
    line = Line().see(1, 3)
    assert line.watch.tick(now(4, wall=4 + step)) == []
    assert len(line.watch.tick(now(5, wall=5 + step))) == 1


# Silence that is told, and its end.


def test_an_all_clear_follows_when_a_silent_camera_is_heard_again() -> None:
    line = Line().see(1)
    line.watch.tick(now(60))
    line.see(2, seconds=130)
    (clear,) = line.said
    assert (clear.cause, clear.severity, clear.all_clear) == ("camera-silent", Severity.INFO, True)
    assert clear.text == "heard again after 130 s"
    assert line.see(3, seconds=131).said == [clear]


def test_a_silence_that_was_told_is_not_told_again_after_a_restart_but_its_end_is() -> None:
    line = Line().see(1)
    line.watch.tick(now(60))
    line = restarted(line, read_from=1, seconds=100)
    assert line.told(1000) == []
    assert line.see(2, seconds=1001).causes == ["camera-silent"]


def test_a_camera_that_never_came_is_told_once_across_restarts() -> None:
    settings = WatchSettings(silent_after_s=60, expected_cameras=["cam-9"])
    line = Line(settings)
    assert len(line.told(60)) == 1
    fresh = Line(settings)
    fresh.watch.restore(json.loads(json.dumps(line.watch.snapshot())), now(0))
    assert fresh.told(1000) == []
    assert fresh.see(0, camera="cam-9").causes == ["camera-silent"]


@pytest.mark.parametrize(
    "damage",
    [
        {"cameras": [None, 7, {}, {"camera_id": "x", "partition": "no"}]},
        {"cameras": [{"camera_id": "x", "partition": ["outcomes", 0], "count": {"runs": 7}}]},
        {"positions": [["outcomes"], None, [{}, [], 3]]},
    ],
)
def test_a_damaged_snapshot_costs_what_is_damaged(damage: dict) -> None:
    snapshot = Line().see(1, 2).watch.snapshot() | {"positions": [["outcomes", 0, 2, 0]]}
    for name, items in damage.items():
        snapshot[name] = [*items, *snapshot[name]]
    fresh = Line()
    fresh.offset = 2
    fresh.watch.restore(json.loads(json.dumps(snapshot)), now(0))
    fresh.watch.activate([OUTCOMES], now(0))
    assert fresh.see(4).told(30) == ["1 frame without an outcome (sequence 3)"]
