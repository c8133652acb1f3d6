"""When reading stops because too many frames are rejected, and how it goes on."""

import pytest

from workers.inspector.guard.breaker import Breaker, Limits, State

LIMITS = Limits(share=0.5, window_s=10, min_frames=4, rest_s=30)


def feed(breaker: Breaker, rejected: str, start: float, step: float = 1.0) -> float:
    """`x` is a rejected frame, `.` an inspected one. Returns the time after the last."""
    now = start
    for mark in rejected:
        breaker.note(mark == "x", now)
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
    assert breaker.last == (11, 11)  # within the window
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
