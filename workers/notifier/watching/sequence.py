"""A camera's frame numbers: what is missing between them, and when they cannot be true.

Pure. A number that goes back is a wrap of the counter where it stood near one of the usual ends,
and a restart elsewhere: both go on from there, so that no camera is unwatched from then on.
"""

from dataclasses import dataclass
from typing import NamedTuple

# Where counters of cameras start again: binary words, and displays of so many digits.
_ENDS = sorted(
    [2**bits for bits in (8, 10, 12, 15, 16, 24, 31, 32, 53)] + [10**n for n in range(3, 10)]
)
_NEAR = 100  # a wrap happens within a hundredth of its end
_NEAR_LEAST = 8  # frames
_STEADY = 10  # frames in a row that make a count a steady one
_RESTLESS = 2  # turns in unsteady counts that are a contradiction


class Range(NamedTuple):
    """Numbers first..last, both included."""

    first: int
    last: int


class Step(NamedTuple):
    """What a number says."""

    missing: tuple[Range, ...] = ()
    contradiction: str | None = None


@dataclass(slots=True)
class Run:
    """The count of one epoch."""

    last: int
    doubted: int | None = None  # the number before a jump that cannot be true


@dataclass(slots=True)
class Turns:
    """How steady a camera counts: two senders under one id take turns all the time."""

    steady: int = 0  # frames since the count changed
    hasty: int = 0  # changes of a count that was not steady yet
    from_zero: bool = False  # whether it was seen to use the number 0

    def go_on(self, sequence: int) -> None:
        """A frame of the same count."""
        self.steady += 1
        self.from_zero |= sequence == 0
        if self.steady >= _STEADY:
            self.hasty = 0

    def turn(self) -> None:
        """The count changes: another start, or a number that goes back."""
        self.hasty = self.hasty + 1 if self.steady < _STEADY else 0
        self.steady = 0

    @property
    def restless(self) -> bool:
        """Whether it changes too often for one camera."""
        return self.hasty >= _RESTLESS


def forward(run: Run, sequence: int, room: int) -> Step:
    """A higher number; `room` is how many frames it can have taken since the last one."""
    before, missing = run.last, sequence - run.last - 1
    if missing > room:
        run.doubted, run.last = before, sequence
        return Step(
            contradiction=f"its numbers jump from {before} to {sequence}: "
            "more frames than a camera takes in that time"
        )
    run.last, run.doubted = sequence, None
    return Step((Range(before + 1, sequence - 1),)) if missing else Step()


def back(run: Run, sequence: int, room: int, turns: Turns) -> Step:
    """A new frame with a number that was passed already."""
    before, doubted = run.last, run.doubted
    if doubted is not None and doubted < sequence <= doubted + 1 + room:
        run.last = doubted  # that one number was wrong, the count goes on
        return forward(run, sequence, room)
    run.last, run.doubted = sequence, None
    lowest = 0 if turns.from_zero else 1  # some counters never show 0
    end = _end(before, sequence, room)
    if end is not None:
        return Step(_ranges((before + 1, end - 1), (lowest, sequence - 1)))
    turns.turn()
    return start(sequence, room, turns, lowest, f"its numbers go back from {before} to {sequence}")


def start(sequence: int, room: int, turns: Turns, lowest: int, what: str) -> Step:
    """The first frame of a count; it begins at `lowest`."""
    if turns.restless:
        return Step(contradiction=f"{what}, again and again: two senders under one camera id?")
    if sequence - lowest > room:
        return Step(contradiction=f"{what}: more frames than a camera takes in that time")
    return Step(_ranges((lowest, sequence - 1)))


def _end(last: int, sequence: int, room: int) -> int | None:
    """The end at which a counter wrapped between these two numbers; None: it did not."""
    for end in _ENDS:
        near = min(room, max(_NEAR_LEAST, end // _NEAR))
        if last < end and end - last + sequence - 1 <= near:
            return end
    return None


def _ranges(*bounds: tuple[int, int]) -> tuple[Range, ...]:
    return tuple(Range(first, last) for first, last in bounds if first <= last)
