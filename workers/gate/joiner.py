"""Several frames of one part become that part: announced by the first, judged by all of them.

Pure. Frames are views of one part when they bear its id and were taken close to each other, by
whichever cameras of the gate. What comes out is a part like any other: the lane that follows
knows its deadline, its order and its one answer.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from schemas.outcome import Verdict
from schemas.part import PartRef
from workers.gate.answers import Noted
from workers.gate.parts import Announced, Judged, PartKey, Told

COUNTED = "counted"  # the start of parts whose ids are numbers: a line has one count of them
_REMEMBERED = 10_000  # parts whose views are recognised
_RANKS = (Verdict.PASS, Verdict.NEAR_MISS, Verdict.DEFECT)  # from good to bad
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Join:
    """What makes up a part, and what its views say together."""

    station: str  # what stands in an answer for the camera
    cameras: frozenset[str]
    views: frozenset[str]  # that a part has to have; a view is named by its frame, or its camera
    rule: Literal["worst", "all"] = "worst"  # all: every view has to show the defect
    within_s: float = 60.0  # the same id further away than that is another pass of the part
    by_outcome: bool = False  # frames are not read: an outcome announces its part


@dataclass(slots=True)
class _Whole:
    """A part that is put together."""

    who: PartRef
    taken: datetime  # its first view
    traceparent: str | None = None  # of that
    key: PartKey | None = None  # None: not announced yet
    said: dict[str, Judged] = field(default_factory=dict)  # by view
    judged: bool = False


class Joiner:
    """The parts of one station."""

    def __init__(self, join: Join, start: str) -> None:
        """`start` names the count of parts whose ids are no numbers, when none is known."""
        self._join, self._start = join, start
        self._parts: OrderedDict[str, _Whole] = OrderedDict()  # by id, the newest pass of it
        self._next = 0  # number of the next part whose id is none
        self.strangers: Counter[str] = Counter()  # frames that say no part, by camera

    def restore(self, noted: Noted) -> None:
        """A part that was answered before this start: its views announce nothing new."""
        if noted.who is None or noted.who.id is None:
            return
        key = noted.key
        self._put(_Whole(noted.who, key.captured_at, key=key, judged=True))
        if key.start != COUNTED:
            self._start, self._next = key.start, key.number + 1

    def hear(self, told: Told) -> list[Told]:
        """What news of a frame says of its part."""
        if told.camera not in self._join.cameras:
            return []
        who, announces = told.who, isinstance(told, Announced)
        if who is None or who.id is None:
            self.strangers[told.camera] += announces or self._join.by_outcome
            return []
        part = self._part(told, who)
        if part is None:
            return []
        found = self._announce(part) if announces or self._join.by_outcome else []
        if isinstance(told, Judged):
            view = who.view or told.camera
            part.said[view] = _worse(part.said.get(view), told)
        return [*found, *self._judge(part)]

    def _part(self, told: Told, who: PartRef) -> _Whole | None:
        """The part of this frame; of an id that is used again the new one, of its old one None."""
        name, taken = str(who.id), told.key.captured_at
        known = self._parts.get(name)
        if known and abs(taken - known.taken) <= timedelta(seconds=self._join.within_s):
            self._parts.move_to_end(name)
            return known
        if known and taken < known.taken:
            return None
        part = _Whole(who.without_view(), taken, told.traceparent)
        self._put(part)
        return part

    def _put(self, part: _Whole) -> None:
        self._parts[str(part.who.id)] = part
        self._parts.move_to_end(str(part.who.id))
        while len(self._parts) > _REMEMBERED:
            self._parts.popitem(last=False)

    def _announce(self, part: _Whole) -> list[Told]:
        if part.key is not None:
            return []
        part.key = self._key(str(part.who.id), part.taken)
        return [Announced(self._join.station, part.key, part.who, part.traceparent)]

    def _key(self, name: str, taken: datetime) -> PartKey:
        """A part whose id is a number has that number; the others are counted as they come."""
        if name.isascii() and name.isdigit() and len(name) <= _DIGITS:
            return PartKey(name, COUNTED, int(name), taken)
        self._next += 1
        return PartKey(name, self._start, self._next - 1, taken)

    def _judge(self, part: _Whole) -> list[Told]:
        found = decided(part.said, self._join)
        if part.key is None or part.judged or found is None:
            return []
        part.judged = True
        return [Judged(self._join.station, part.key, found.verdict, found.reason, part.who)]


def decided(said: dict[str, Judged], join: Join) -> Judged | None:
    """What the views say together; None while views are missing that could change it.

    A view that was not inspected leaves the part not inspected, unless another one's defect
    decides by itself.
    """
    found = list(said.values())
    if join.rule == "worst":
        defect = next((each for each in found if each.verdict is Verdict.DEFECT), None)
        if defect is not None:
            return defect
    if not join.views <= said.keys():
        return None
    unknown = next((each for each in found if each.verdict is None), None)
    if unknown is not None:
        return unknown
    return _by_rank(found)[-1 if join.rule == "worst" else 0]


def _by_rank(found: Sequence[Judged]) -> list[Judged]:
    """From the best to the worst verdict."""
    return sorted(found, key=lambda each: _RANKS.index(each.verdict or Verdict.PASS))


def _worse(known: Judged | None, told: Judged) -> Judged:
    """Of two pictures of one view; a delivery that is repeated changes nothing."""
    if known is None or known.verdict is None:
        return told
    return known if told.verdict is None else _by_rank([known, told])[-1]
