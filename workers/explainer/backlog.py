"""Verdicts that wait: the oldest first, and with it others of its category and model version."""

import threading
from collections import deque
from collections.abc import Callable

from workers.explainer.verdicts import Wanted


class Backlog:
    """A queue between the thread that reads and the one that explains."""

    def __init__(self) -> None:
        self._waiting: deque[Wanted] = deque()
        self._change = threading.Condition()
        self._taken = 0

    def __len__(self) -> int:
        """What waits or is in work."""
        return len(self._waiting) + self._taken

    def put(self, wanted: Wanted) -> None:
        """A verdict was read."""
        with self._change:
            self._waiting.append(wanted)
            self._change.notify()

    def take(
        self, most: int, timeout_s: float, joins: Callable[[Wanted], bool] = lambda _: True
    ) -> list[Wanted]:
        """The oldest, and at most `most` with it that are like it; none when nothing came.

        `joins` says whether one may be worked on together with others.
        """
        with self._change:
            if not self._waiting:
                self._change.wait(timeout_s)
            if not self._waiting:
                return []
            first = self._waiting.popleft()
            together = joins(first)
            batch = [first, *(self._mates(first, most - 1, joins) if together else ())]
            self._taken = len(batch)
            return batch

    def done(self) -> None:
        """What was taken is worked off."""
        self._taken = 0

    def clear(self) -> None:
        """Forget what waits: it is read again by whoever comes next."""
        with self._change:
            self._waiting.clear()

    def _mates(self, first: Wanted, most: int, joins: Callable[[Wanted], bool]) -> list[Wanted]:
        alike = (w for w in tuple(self._waiting) if _kind(w) == _kind(first))
        found: list[Wanted] = []
        for each in alike:
            if len(found) >= most:
                break
            if joins(each):
                found.append(each)
                self._waiting.remove(each)
        return found


def _kind(wanted: Wanted) -> tuple[str, str | None]:
    return wanted.frame.category, wanted.version
