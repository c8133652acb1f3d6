"""What a camera says of itself is doubted: numbers, ids, senders, times."""

from datetime import UTC, datetime

import pytest
from line import Line, at, now, outcome


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
