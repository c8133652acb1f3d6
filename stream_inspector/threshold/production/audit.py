"""Which parts people should look at, and what their words say of false alarms and escapes.

A sample drawn by chance from all inspected parts, whatever they scored, says something about all of
them: its good parts are exchangeable with those to come, which is all that thresholds ask for. What
people look at because it scored high is no such sample; good parts among it have the highest scores
of all good parts, and thresholds from them alone would rise until nothing alarms.
"""

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from stream_inspector.threshold.order import conformal_rank, images_needed
from stream_inspector.threshold.share import Share

T = TypeVar("T")
_WHOLE = 2**64
_SALT = "audit\x1f"  # other draws by hash, as of a share of frames, are independent of this one


def lot(name: str) -> float:
    """A number in [0, 1), always the same for a part's name, which says nothing of the part."""
    digest = hashlib.sha256((_SALT + name).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) / _WHOLE


class Lowest(Generic[T]):
    """The `count` parts of the lowest rank of all that were offered, each once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[float, str]] = []  # the highest rank first
        self._items: dict[str, tuple[float, T]] = {}

    def offer(self, rank: float, name: str, item: T) -> None:
        """A part; offered again under the same name it changes nothing."""
        if name in self._items or not self._count:
            return
        full = len(self._heap) >= self._count
        if full and rank >= -self._heap[0][0]:
            return
        if full:
            del self._items[heapq.heappop(self._heap)[1]]
        heapq.heappush(self._heap, (-rank, name))
        self._items[name] = rank, item

    def items(self) -> list[T]:
        """The lowest first."""
        ranked = sorted((rank, name) for name, (rank, _) in self._items.items())
        return [self._items[name][1] for _, name in ranked]


def draw(names: Iterable[str], count: int) -> list[str]:
    """A random sample of `count` different names: those of the lowest lots, the lowest first.

    The same for everybody who knows the same names, in any order and however often. Of more names,
    as a day goes on, some of the sample give way to others.
    """
    lowest = Lowest[str](count)
    for name in names:
        lowest.offer(lot(name), name, name)
    return lowest.items()


def nearest(scores: Sequence[float], threshold: float, count: int) -> list[int]:
    """The places of the `count` scores nearest to a threshold from below, the nearest first.

    What people say of these moves the threshold most; those above it are alarms, which they see
    anyway.
    """
    lowest = Lowest[int](count)
    for index, score in enumerate(scores):
        if score <= threshold:
            lowest.offer(threshold - score, str(index), index)
    return lowest.items()


def threshold_with(
    good: Sequence[float], chosen: Sequence[float], false_reject: float | None
) -> float:
    """What the threshold would be if scores of parts that were chosen by score joined `good`.

    Shown, and never used. A share of None: the largest score.
    """
    together = sorted([*good, *chosen])
    rank = len(together) if false_reject is None else conformal_rank(len(together), false_reject)
    return together[rank - 1]


def audits_a_day(false_reject: float, confidence: float, days: int) -> int:
    """Parts to look at every day, so that `days` of them can certify a share of false alarms."""
    return max(1, math.ceil(images_needed(false_reject, confidence) / days))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a person said of an inspected part."""

    good: bool
    alarmed: bool
    audit: bool  # drawn by chance from all inspected parts


@dataclass(frozen=True, slots=True)
class Rates:
    """What reviewed parts say of all parts; None where nothing is known.

    Only audited parts count: the others were chosen by what inspection said of them.
    """

    reviews: int
    audited: int
    false_alarms: Share | None  # of good parts, those that alarm
    shipped: Share | None  # of parts that do not alarm, those that are defective
    escapes: Share | None  # of defective parts, those that do not alarm


def rates(judged: Iterable[Judged], confidence: float) -> Rates:
    """Of reviews that tell what the part is; intervals are Clopper and Pearson's."""
    every = list(judged)
    audited = [each for each in every if each.audit]
    good = [each for each in audited if each.good]
    bad = [each for each in audited if not each.good]
    passed = [each for each in audited if not each.alarmed]
    return Rates(
        len(every),
        len(audited),
        _share([each.alarmed for each in good], confidence),
        _share([not each.good for each in passed], confidence),
        _share([not each.alarmed for each in bad], confidence),
    )


class Standing(StrEnum):
    """What an observed share says of the share that was certified."""

    KEPT = "kept"  # even the interval's upper end is within it
    OPEN = "open"  # the interval holds it: more reviews will tell
    BROKEN = "broken"  # even the lower end is beyond it
    UNKNOWN = "unknown"  # nothing was reviewed


def standing(observed: Share | None, certified: float) -> Standing:
    """Whether what people saw speaks for or against a certificate."""
    if observed is None:
        return Standing.UNKNOWN
    if observed.high <= certified:
        return Standing.KEPT
    return Standing.BROKEN if observed.low > certified else Standing.OPEN


def reviews_to_keep(
    alarms: int, good: int, certified: float, confidence: float, most: int = 100_000
) -> int | None:
    """More audited good parts, none of which may alarm, until the certificate counts as kept.

    `alarms` of the `good` ones so far alarmed. None: more than `most`.
    """
    low, high = good, good + most
    if _upper(alarms, high, confidence) > certified:
        return None
    while low < high:  # the upper end falls with every good part that passes
        middle = (low + high) // 2
        if _upper(alarms, middle, confidence) > certified:
            low = middle + 1
        else:
            high = middle
    return low - good


def _upper(found: int, of: int, confidence: float) -> float:
    share = Share.of_counts(found, of, confidence)
    return share.high if share else 1.0


def _share(found: Sequence[bool], confidence: float) -> Share | None:
    return Share.of_counts(sum(found), len(found), confidence)
