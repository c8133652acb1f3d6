"""Clocks: latencies and the watch for silent cameras compare times of several machines."""

import ctypes
import time
from collections.abc import Callable

from workers.doctor.findings import Finding, ok, skipped, warning

_MOST_S = 1.0
_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR
_TIMEX_BYTES = 512  # struct timex takes 208


def judge_offset(whose: str, ahead_s: float, doubt_s: float) -> list[Finding]:
    """How far another clock is ahead of ours; `doubt_s`: the question's way there and back."""
    if abs(ahead_s) <= _MOST_S + doubt_s:
        return [ok(f"{whose} is {ahead_s:+.3f} s from this machine's clock (+- {doubt_s:.3f})")]
    return [
        warning(
            f"{whose} is {ahead_s:+.1f} s from this machine's clock: latencies are off by as much",
            "synchronise both by NTP",
        )
    ]


def ask_offset(
    clock: Callable[[], float], ours: Callable[[], float] = time.time
) -> tuple[float, float]:
    """How far a clock is ahead of ours, and how far this may be wrong; both in seconds."""
    before, theirs, after = ours(), clock(), ours()
    return theirs - (before + after) / 2, (after - before) / 2


def judge_newest(stamp_ms: int | None, now_s: float) -> list[Finding]:
    """Frames bear their camera's time: one from the future shows a camera's clock that is ahead."""
    if stamp_ms is None:
        return [skipped("no frames, or the broker does not tell their times")]
    ahead = stamp_ms / 1000 - now_s
    if ahead <= _MOST_S:
        return [ok(f"the newest frame is {-ahead:.0f} s old")]
    says = f"the newest frame is {ahead:.1f} s in the future: a camera's clock is ahead of ours"
    return [warning(says, "synchronise the cameras' clocks by NTP")]


def judge_kernel(state: int) -> list[Finding]:
    """What the kernel says of its clock; `state` is the answer of adjtimex(2)."""
    if state < 0:
        return [skipped("the kernel does not tell whether its clock is synchronised")]
    if state == _UNSYNCHRONISED:
        says = "the kernel says that its clock is not synchronised"
        return [warning(says, "run an NTP client (chrony, systemd-timesyncd) on this node")]
    return [ok("the kernel says that its clock is synchronised")]


def kernel_state() -> int:
    """adjtimex(2) without changing anything; -1 where there is none."""
    try:
        return int(
            ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
        )
    except (OSError, AttributeError):
        return -1
