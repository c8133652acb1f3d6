"""Stops reading when too many frames are rejected: a fault of ours must not reject a day's work.

Closed: frames are read. When over `window_s` at least `share` of the frames (and `min_frames`) were
rejected it opens: nothing is read for `rest_s`. Then it tries: `min_frames` results decide whether
it closes or opens again. Pure: the clock is passed in.
"""

import math
import threading
from collections import Counter
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Whether frames are read."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much."""

    share: float
    window_s: float
    min_frames: int
    rest_s: float


class Breaker:
    """Counts results by the second. `note` and `state` may come from two threads."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._lock = threading.Lock()
        self._state, self._rest_until = State.CLOSED, -math.inf
        self._since = math.inf  # the first note since the last turn
        self.last = (0, 0)  # frames rejected and seen when it last opened
        self._clear()

    def note(self, rejected: bool, now: float) -> None:
        """A frame has its outcome at `now` (seconds, monotonic)."""
        with self._lock:
            if self._state is State.OPEN:
                return  # what was in work when it opened says nothing new
            self._since = min(self._since, now)
            self._all[int(now)] += 1
            self._bad[int(now)] += rejected

    @property
    def open(self) -> bool:
        """Whether reading rested when `state` was asked last."""
        return self._state is State.OPEN

    def state(self, now: float) -> State:
        """The state at `now`."""
        with self._lock:
            self._forget(now)
            if self._state is State.OPEN:
                if now >= self._rest_until:
                    self._turn(State.TRYING)
            elif self._known(now):
                self._decide(now)
            return self._state

    def _known(self, now: float) -> bool:
        """Whether enough is known for a decision."""
        long_enough = now - self._since >= self._limits.window_s
        enough = self._all.total() >= self._limits.min_frames
        return enough and (long_enough or self._state is State.TRYING)

    def _decide(self, now: float) -> None:
        rejected, seen = self._bad.total(), self._all.total()
        if rejected >= self._limits.share * seen:
            self.last = (rejected, seen)
            self._rest_until = now + self._limits.rest_s
            self._turn(State.OPEN)
        elif self._state is State.TRYING:
            self._turn(State.CLOSED)

    def _turn(self, state: State) -> None:
        self._state = state
        self._clear()

    def _clear(self) -> None:
        self._all: Counter[int] = Counter()
        self._bad: Counter[int] = Counter()
        self._since = math.inf

    def _forget(self, now: float) -> None:
        for second in [s for s in self._all if s < now - self._limits.window_s - 1]:
            del self._all[second], self._bad[second]
