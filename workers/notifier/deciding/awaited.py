"""Defects that wait for their pictures: each goes on with them, or when its time is over.

Where nobody explains, that is noticed after a few: then nothing waits until an explanation is heard
of again.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

from schemas.explanation import Explanation
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, explained_id, picture_of
from workers.runtime.bus.ports import Partition

_REMEMBERED = 10_000  # explanations that came before their defects
_MOST = 10_000  # defects that wait
_IN_VAIN = 3  # so many in a row, and there is nobody to wait for

CAME, LATE = "came", "late"


@dataclass(frozen=True, slots=True)
class _Waiting:
    happening: Happening
    until_s: float


class Awaited:
    """Between what was read and what is decided. One thread."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: list[_Waiting] = []
        self._pictures: OrderedDict[str, str | None] = OrderedDict()  # event id -> its picture
        self._in_vain = 0
        self.counts: Counter[str] = Counter()

    def hear(self, told: Explanation) -> None:
        """An explanation came."""
        self._in_vain = 0
        self._pictures[explained_id(told)] = picture_of(told.evidence)
        if len(self._pictures) > _REMEMBERED:
            self._pictures.popitem(last=False)

    def holds(self, happening: Happening, now: Now) -> bool:
        """Whether this one waits; it is handed out by `due`."""
        if not happening.awaits or not self._wait_s or self._in_vain >= _IN_VAIN:
            return False
        self._waiting.append(_Waiting(happening, now.s + self._wait_s))
        return True

    def due(self, now: Now, *, all_of_them: bool = False) -> list[Happening]:
        """Those that have their pictures or waited long enough, in the order in which they came."""
        found: list[Happening] = []
        kept: list[_Waiting] = []
        room = _MOST
        for each in reversed(self._waiting):
            known = each.happening.event_id in self._pictures
            if known or all_of_them or now.s >= each.until_s or not room:
                found.append(self._released(each.happening, known=known))
            else:
                kept.append(each)
                room -= 1
        self._waiting = kept[::-1]
        return found[::-1]

    def held(self) -> dict[Partition, int]:
        """Positions that must not be passed by a commit."""
        held: dict[Partition, int] = {}
        for partition, offset in (w.happening.place for w in self._waiting if w.happening.place):
            held[partition] = min(offset, held.get(partition, offset))
        return held

    def forget(self, partitions: Collection[Partition]) -> None:
        """These went to somebody else, who reads the defects again."""
        self._waiting = [
            each
            for each in self._waiting
            if each.happening.place is None or each.happening.place.partition not in partitions
        ]

    def _released(self, happening: Happening, *, known: bool) -> Happening:
        self.counts[CAME if known else LATE] += 1
        self._in_vain = 0 if known else self._in_vain + 1
        picture = self._pictures.get(happening.event_id)
        return replace(happening, awaits=False, evidence=picture or happening.evidence)
