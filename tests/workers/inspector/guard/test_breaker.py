"""Who is held back because too many frames are rejected, and how it goes on."""

import itertools

import pytest

from workers.inspector.guard.breaker import Breaker, Held, Limits, State

LIMITS = Limits(share=0.5, window_s=10, min_frames=4, rest_s=30)


def feed(
    breaker: Breaker, rejected: str, start: float, step: float = 1.0, camera: str = "line-1"
) -> float:
    """`x` is a rejected frame, `.` an inspected one. Returns the time after the last."""
    now = start
    for mark in rejected:
        breaker.note(camera, mark == "x", now)
        now += step
    return now


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ("." * 12, State.CLOSED),
        ("x" * 12, State.OPEN),
        (".x" * 6, State.OPEN),  # the share is reached
        ("..x" * 4, State.CLOSED),
        ("x" * 8, State.CLOSED),  # not for long enough
    ],
)
def test_it_opens_at_the_share_after_the_time(frames: str, state: State) -> None:
    breaker = Breaker(LIMITS)
    assert breaker.state(feed(breaker, frames, 100.0)) is state


def test_a_few_frames_decide_nothing() -> None:
    breaker = Breaker(LIMITS)
    assert breaker.state(feed(breaker, "xxx", 0.0, step=5.0)) is State.CLOSED


def test_an_old_fault_is_forgotten() -> None:
    breaker = Breaker(LIMITS)
    now = feed(breaker, "x" * 9, 0.0)
    now = feed(breaker, "." * 30, now + 5)
    assert breaker.state(now) is State.CLOSED


def test_it_rests_then_tries_then_closes() -> None:
    breaker = Breaker(LIMITS)
    now = feed(breaker, "x" * 12, 0.0)
    assert breaker.state(now) is State.OPEN
    assert breaker.last == (10, 10)  # within the window
    feed(breaker, "...", now)  # in work when it opened
    assert breaker.state(now + 29) is State.OPEN
    assert breaker.state(now + 30) is State.TRYING
    assert breaker.state(feed(breaker, "....", now + 30)) is State.CLOSED


def test_it_opens_again_when_the_trial_fails() -> None:
    breaker = Breaker(LIMITS)
    now = feed(breaker, "x" * 12, 0.0)
    breaker.state(now)
    assert breaker.state(now + 30) is State.TRYING
    assert breaker.state(feed(breaker, "xxxx", now + 30)) is State.OPEN


def together(breaker: Breaker, cameras: dict[str, str], start: float) -> float:
    """Cameras that send at the same time, and the decisions of each second."""
    now = start
    for marks in itertools.zip_longest(*cameras.values()):
        for camera, mark in zip(cameras, marks, strict=True):
            if mark and not breaker.holds(camera, now):
                breaker.note(camera, mark == "x", now)
        breaker.state(now)
        now += 1
    return now


def test_a_camera_that_sends_junk_is_held_back_alone() -> None:
    breaker = Breaker(LIMITS)
    now = together(breaker, {"good": "." * 20, "junk": "x" * 20}, 0.0)
    assert breaker.state(now) is State.CLOSED
    assert (breaker.holds("junk", now), breaker.holds("good", now)) == (True, False)
    assert [held.camera for held in breaker.news()] == ["junk"]
    assert breaker.news() == []


def test_a_junk_camera_that_sends_ten_times_as_much_stops_nobody() -> None:
    breaker = Breaker(LIMITS)
    for second in range(40):
        breaker.note("good", False, float(second))
        for part in range(10):
            if not breaker.holds("junk", second + part / 10):
                breaker.note("junk", True, second + part / 10)
        assert breaker.state(second + 0.99) is State.CLOSED


def test_a_held_camera_is_tried_again_and_told_once() -> None:
    breaker = Breaker(LIMITS)
    now = together(breaker, {"good": "." * 12, "other": "." * 12, "junk": "x" * 12}, 0.0)
    assert breaker.news() == [Held("junk", 11, 11)]
    now = together(breaker, {"good": "." * 31}, now)
    assert not breaker.holds("junk", now)
    now = together(breaker, {"good": "....", "junk": "xxxx"}, now)
    assert breaker.holds("junk", now)
    now = together(breaker, {"good": "." * 31}, now)
    now = together(breaker, {"good": "....", "junk": "...."}, now)
    assert not breaker.holds("junk", now + 1)
    assert breaker.news() == []


def test_it_rests_when_most_cameras_fail_that_worked_before() -> None:
    breaker = Breaker(LIMITS)
    before = dict.fromkeys(("a", "b", "c"), "." * 30)
    now = together(breaker, before, 0.0)
    for second in range(20):
        for name in ("a", "b", "c"):
            if not breaker.holds(name, now + second):
                breaker.note(name, rejected=name != "c", now=now + second)
        if breaker.state(now + second) is State.OPEN:
            break
    assert breaker.open
    assert breaker.held(now + second) == []  # it was not their fault


def test_made_up_cameras_stop_nobody_and_cost_no_memory() -> None:
    breaker = Breaker(LIMITS)
    for number in range(20_000):
        now = number / 200
        breaker.note(f"made-up-{number}", True, now)
        if number % 200 == 0:
            breaker.note("good", False, now)
            assert breaker.state(now) is State.CLOSED
    assert not breaker.holds("good", now)
    assert len(breaker._others) + len(breaker._proven) <= 1001


def test_frames_of_no_camera_hold_back_nobody() -> None:
    breaker = Breaker(LIMITS)
    now = together(breaker, {"good": "." * 20, "": "x" * 20}, 0.0)
    assert breaker.held(now) == []
