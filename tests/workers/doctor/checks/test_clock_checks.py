"""Clocks that differ, frames from the future, a kernel that is not synchronised."""

import pytest

from workers.doctor.checks.clocks import (
    ask_offset,
    judge_kernel,
    judge_newest,
    judge_offset,
    kernel_state,
)


@pytest.mark.parametrize(
    ("ahead_s", "doubt_s", "status"),
    [(0.9, 0, "ok"), (-0.9, 0, "ok"), (1.1, 0, "warning"), (-3, 0, "warning"), (1.1, 0.2, "ok")],
)
def test_another_clock(ahead_s: float, doubt_s: float, status: str) -> None:
    assert judge_offset("Redis", ahead_s, doubt_s)[0].status == status


def test_the_way_there_and_back_is_taken_off() -> None:
    ours = iter([100.0, 102.0])
    assert ask_offset(lambda: 106.0, lambda: next(ours)) == (5.0, 1.0)


def test_a_frame_from_the_future() -> None:
    assert judge_newest(None, 100)[0].status == "skipped"
    assert judge_newest(99_000, 100)[0].says == "the newest frame is 1 s old"
    assert judge_newest(102_000, 100)[0].status == "warning"


def test_what_the_kernel_says() -> None:
    assert [judge_kernel(state)[0].status for state in (-1, 0, 5)] == ["skipped", "ok", "warning"]
    assert kernel_state() in range(-1, 6)
