"""Whose task is next, when some take long: a camera that sends slow pictures delays no other.

Least attained service: the partition whose tasks have taken least time so far comes first. And
partitions that are slow leave one thread to the others, or all threads would wait for slow ones.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

Task = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """A task that runs."""

    line: Hashable
    task: Task
    began: float


@dataclass(slots=True, eq=False)
class _Line:
    """The tasks of one partition."""

    used_s: float = 0.0  # of threads; one that was idle has no claim on the past
    waiting: deque[Task] = field(default_factory=deque)
    running: list[float] = field(default_factory=list)  # since when
    slow: bool = False

    def used(self, now: float) -> float:
        return self.used_s + sum(now - began for began in self.running)


class Turns:
    """Tasks in lines, and which may run on `size` threads. Not safe for several threads."""

    def __init__(self, size: int, slow_s: float, clock: Callable[[], float] = time.monotonic):
        """A line is slow whose last task took longer than `slow_s`, or takes longer now."""
        self._lines: dict[Hashable, _Line] = {}  # as many as there are partitions
        self._most_slow = max(1, size - 1)
        self._slow_s, self._clock = slow_s, clock

    def put(self, name: Hashable, task: Task) -> None:
        """A task waits for its turn."""
        line = self._lines.setdefault(name, _Line())
        if not line.waiting and not line.running:
            line.used_s = max(line.used_s, self._least())
        line.waiting.append(task)

    def take(self) -> Turn | None:
        """The task whose turn it is, or None when none may run now."""
        now = self._clock()
        slow = [line for line in self._lines.values() if self._is_slow(line, now)]
        room = sum(bool(line.running) for line in slow) < self._most_slow
        ready = [
            (line.used(now), name)
            for name, line in self._lines.items()
            if line.waiting and (line not in slow or (room and not line.running))
        ]
        if not ready:
            return None
        _, name = min(ready, key=lambda pair: pair[0])
        self._lines[name].running.append(now)
        return Turn(name, self._lines[name].waiting.popleft(), now)

    def done(self, turn: Turn) -> None:
        """The task is over."""
        line, took = self._lines[turn.line], self._clock() - turn.began
        line.running.remove(turn.began)
        line.used_s += took
        line.slow = took > self._slow_s

    def _is_slow(self, line: _Line, now: float) -> bool:
        return line.slow or any(now - began > self._slow_s for began in line.running)

    def _least(self) -> float:
        busy = [line.used_s for line in self._lines.values() if line.waiting or line.running]
        return min(busy, default=0.0)
