"""Holds back what is rejected too often: one camera that sends junk, or everything.

A camera of which over `window_s` at least `share` of the frames (and `min_frames`) were rejected is
held back for `rest_s`: its frames are rejected unseen, the others go on. Then `min_frames` results
decide whether it is held back again. Where most cameras fail the fault is ours, and must not reject
a day's work: nothing is read for `rest_s`, and then the same. A camera speaks for the worker only
when it has been inspected before, unless none has been: ids cost nothing, and whoever makes up a
thousand stops nobody. Pure: the clock is passed in.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

_CAMERAS = 1000  # of which counts are kept, of those that were inspected and of the others
_SLICES = 20  # of a window: how finely old results are forgotten


class State(Enum):
    """Whether frames are read, or a camera's frames inspected."""

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


@dataclass(frozen=True, slots=True)
class Held:
    """A camera that is held back from now on."""

    camera: str
    rejected: int
    seen: int


class _Window:
    """How many frames were seen and rejected lately."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._slices: deque[tuple[int, int, int]] = deque(maxlen=_SLICES + 2)  # number, seen, bad
        self.since = math.inf  # the first result since it was cleared

    def note(self, rejected: bool, now: float) -> None:
        """A result."""
        number = int(now / self._span_s * _SLICES)
        self.since = min(self.since, now)
        seen, bad = 0, 0
        if self._slices and self._slices[-1][0] >= number:  # threads may come a moment late
            number, seen, bad = self._slices.pop()
        self._slices.append((number, seen + 1, bad + rejected))

    def count(self, now: float) -> tuple[int, int]:
        """Rejected and seen within the span before `now`."""
        first = int(now / self._span_s * _SLICES) - _SLICES
        recent = [each for each in self._slices if each[0] >= first]
        return sum(bad for *_, bad in recent), sum(seen for _, seen, _ in recent)

    def clear(self) -> None:
        """Begin anew."""
        self._slices.clear()
        self.since = math.inf


@dataclass(slots=True)
class _Switch:
    """Closed, open, or trying: of a camera, or of all."""

    limits: Limits
    window: _Window = field(init=False)
    state: State = State.CLOSED
    rest_until: float = -math.inf

    def __post_init__(self) -> None:
        self.window = _Window(self.limits.window_s)

    def rests(self, now: float) -> bool:
        """Whether it is open; when its rest is over it begins to try."""
        if self.state is State.OPEN and now >= self.rest_until:
            self.turn(State.TRYING)
        return self.state is State.OPEN

    def known(self, now: float) -> bool:
        """Whether enough is known for a decision."""
        long_enough = now - self.window.since >= self.limits.window_s
        enough = self.window.count(now)[1] >= self.limits.min_frames
        return enough and (long_enough or self.state is State.TRYING)

    def fails(self, now: float) -> bool:
        """Whether too much was rejected; one result is enough to say so."""
        rejected, seen = self.window.count(now)
        return seen > 0 and rejected >= self.limits.share * seen

    def turn(self, state: State, now: float = 0.0) -> None:
        """Change over, and count anew."""
        self.state = state
        if state is State.OPEN:
            self.rest_until = now + self.limits.rest_s
        self.window.clear()


class Breaker:
    """Counts results, of all and of each camera. Any thread."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._lock = threading.Lock()
        self._all = _Switch(limits)
        self._proven: OrderedDict[str, _Switch] = OrderedDict()  # cameras that were inspected once
        self._others: OrderedDict[str, _Switch] = OrderedDict()
        self._noted: set[str] = set()  # cameras that have results since `state` was asked last
        self._news: deque[Held] = deque(maxlen=_CAMERAS)
        self.last = (0, 0)  # frames rejected and seen when reading last stopped

    def note(self, camera: str, rejected: bool, now: float) -> None:
        """A frame has its outcome at `now` (seconds, monotonic). An empty name is nobody's."""
        with self._lock:
            switch = self._switch(camera, proven=not rejected)
            if self._all.state is State.OPEN or switch.state is State.OPEN:
                return  # what was in work when it opened says nothing new
            self._all.window.note(rejected, now)
            switch.window.note(rejected, now)
            self._noted.add(camera)

    def holds(self, camera: str, now: float) -> bool:
        """Whether the camera's frames are to be rejected unseen."""
        with self._lock:
            switch = self._find(camera)
            return switch is not None and switch.rests(now)

    @property
    def open(self) -> bool:
        """Whether reading rested when `state` was asked last."""
        return self._all.state is State.OPEN

    def held(self, now: float) -> list[str]:
        """The cameras that are held back."""
        with self._lock:
            return [name for name, switch in self._cameras() if switch.rests(now)]

    def news(self) -> list[Held]:
        """Cameras that are held back since this was asked last."""
        with self._lock:
            found = list(self._news)
            self._news.clear()
            return found

    def state(self, now: float) -> State:
        """Whether frames are read at `now`; decides on all and on each camera."""
        with self._lock:
            if self._all.rests(now):
                return State.OPEN
            if self._all.known(now):
                self._decide(now)
            if self._all.state is not State.OPEN:
                self._decide_cameras(now)
            return self._all.state

    def _switch(self, camera: str, *, proven: bool) -> _Switch:
        """The camera's switch; those used longest ago are forgotten."""
        if camera in self._proven:
            self._proven.move_to_end(camera)
            return self._proven[camera]
        switch = self._others.pop(camera, None) or _Switch(self._limits)
        kept = self._proven if proven else self._others
        kept[camera] = switch
        if len(kept) > _CAMERAS:
            kept.popitem(last=False)
        return switch

    def _find(self, camera: str) -> _Switch | None:
        return self._proven.get(camera) or self._others.get(camera)

    def _cameras(self) -> Iterable[tuple[str, _Switch]]:
        return [*self._proven.items(), *self._others.items()]

    def _decide(self, now: float) -> None:
        if self._all.fails(now) and self._most_fail(now):
            self.last = self._all.window.count(now)
            self._all.turn(State.OPEN, now)
            for _, switch in self._cameras():  # it was not their fault
                switch.turn(State.CLOSED)
        elif self._all.state is State.TRYING:
            self._all.turn(State.CLOSED)

    def _most_fail(self, now: float) -> bool:
        """Whether more than half of the cameras that speak for the worker fail, or none does."""
        speak = [switch for switch in self._proven.values() if switch.window.count(now)[1]]
        held = [switch for switch in self._proven.values() if switch.state is State.OPEN]
        failing = sum(switch.fails(now) for switch in speak) + len(held)
        return 2 * failing > len(speak) + len(held) or not (speak or held)

    def _decide_cameras(self, now: float) -> None:
        noted, self._noted = self._noted, set()
        for name in noted:
            switch = self._find(name)
            if name and switch is not None and not switch.rests(now) and switch.known(now):
                self._decide_camera(name, switch, now)

    def _decide_camera(self, name: str, switch: _Switch, now: float) -> None:
        if switch.fails(now):
            if switch.state is State.CLOSED:  # told once, not after each trial
                self._news.append(Held(name, *switch.window.count(now)))
            switch.turn(State.OPEN, now)
        elif switch.state is State.TRYING:
            switch.turn(State.CLOSED)
