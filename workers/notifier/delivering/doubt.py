"""Alarms that a channel does not take while it takes others: they must not stand in their way.

A server that answers 500 to what it cannot read, or hangs on it, says that it is away. Whether it
is the next alarm shows: so while a channel fails, alarms are tried in turn, one at a time. When one
passes, the one that failed before it is left out of the queue and tried again now and then; what
fails often enough while others pass is refused.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from workers.notifier.delivering.waiting import Kept


@dataclass(slots=True)
class _Doubted:
    """An alarm that failed while another passed."""

    again_s: float
    strikes: int = 0
    others_passed: bool = True  # since it failed last


class Doubt:
    """Whom a failure is owed to. One thread; times in seconds, monotonic."""

    def __init__(self, most: int, first_s: float, longest_s: float) -> None:
        """`most` failures while others pass are enough; then come pauses between the tries."""
        self._most, self._first_s, self._longest_s = most, first_s, longest_s
        self._rounds = 0  # that failed, one after the other
        self._singles = 0  # so many alarms are tried one at a time
        self._tried: dict[int, None] = {}  # alone, in this turn, and failed; in order
        self._doubted: dict[int, _Doubted] = {}  # by number

    def left_out(self, now: float) -> Container[int]:
        """Whom the next try leaves out."""
        resting = {number for number, each in self._doubted.items() if now < each.again_s}
        return resting | self._tried.keys()

    def begin_turn(self) -> bool:
        """Nobody is left to try: all of them again; False when it is none of our doing."""
        turned = bool(self._tried)
        self._tried.clear()
        return turned

    def choose(self, group: list[Kept]) -> list[Kept]:
        """Whom of a group to send now."""
        doubted = [kept for kept in group if kept.number in self._doubted]
        return doubted[:1] or (group[:1] if self._singles else group)

    def concerns(self, group: Sequence[Kept]) -> bool:
        """Whether others have passed since this one failed."""
        return len(group) == 1 and group[0].number in self._doubted

    def away(self, group: Sequence[Kept]) -> None:
        """The channel seems to be away."""
        self._rounds += 1
        for each in self._doubted.values():
            each.others_passed = False
        if self._rounds >= self._most:
            self._singles = max(self._singles, len(group), 2)
        if self._singles and len(group) == 1:
            self._tried[group[0].number] = None

    def passed(self, group: Sequence[Kept], now: float) -> None:
        """The channel took these."""
        self._rounds, self._singles = 0, max(0, self._singles - 1)
        if self._tried:
            self._doubted.setdefault(next(reversed(self._tried)), _Doubted(now))
            self._tried.clear()
        for kept in group:
            self._doubted.pop(kept.number, None)
        for each in self._doubted.values():
            each.others_passed = True

    def strike(self, kept: Kept, now: float) -> bool:
        """A doubted one failed again; whether the channel will not take it."""
        each = self._doubted[kept.number]
        each.strikes += each.others_passed
        each.others_passed = False
        if each.strikes >= self._most:
            del self._doubted[kept.number]
            return True
        pause = self._first_s * 2.0 ** min(each.strikes, 20)
        each.again_s = now + min(pause, self._longest_s)
        return False
