"""Two versions on the same line: what the new one does that the old one does not, with intervals.

A shadow scores the same frames as the version that decides: only frames on which the two disagree
say which alarms more, and chance between frames falls out. A canary decides about other frames.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scipy import stats

from stream_inspector.threshold.share import Share


@dataclass(frozen=True, slots=True)
class Both:
    """What both versions said of one frame, and what a person said of its part."""

    old: bool  # alarms
    new: bool
    good: bool | None = None  # None: nobody said


@dataclass(frozen=True, slots=True)
class Compared:
    """Alarms of two versions; `more` is by how much the new one's share is larger."""

    old_frames: int
    new_frames: int
    old_alarms: Share | None
    new_alarms: Share | None
    only_old: int | None  # frames on which only one alarms; None: they saw different frames
    only_new: int | None
    more: Share | None  # new less old, from -1 to 1
    chance: float | None  # of so uneven a count, were the two alike
    good_only_old: int = 0  # reviewed good parts among them
    good_only_new: int = 0
    bad_only_old: int = 0  # reviewed defective ones: what the new one misses
    bad_only_new: int = 0


def compare_pairs(frames: Iterable[Both], confidence: float) -> Compared:
    """Of frames that both scored. The chance is the exact test of McNemar."""
    return compare_counts(Counter(frames), confidence)


def compare_counts(counts: Mapping[Both, int], confidence: float) -> Compared:
    """The same of how many frames there are of each kind."""

    def count(fits: Callable[[Both], bool]) -> int:
        return sum(number for each, number in counts.items() if fits(each))

    def judged(good: bool) -> tuple[int, int]:
        return (
            count(lambda each: each.old > each.new and each.good is good),
            count(lambda each: each.new > each.old and each.good is good),
        )

    n = count(lambda _: True)
    only_old, only_new = (
        count(lambda each: each.old > each.new),
        count(lambda each: each.new > each.old),
    )
    apart = only_old + only_new
    # each end holds with half of the rest, so that both do together with `confidence`
    both = (1 + confidence) / 2
    return Compared(
        n,
        n,
        Share.of_counts(count(lambda each: each.old), n, confidence),
        Share.of_counts(count(lambda each: each.new), n, confidence),
        only_old,
        only_new,
        _difference(Share.of_counts(only_new, n, both), Share.of_counts(only_old, n, both)),
        stats.binomtest(only_new, apart).pvalue if apart else None,
        *judged(good=True),
        *judged(good=False),
    )


def compare_shares(old: tuple[int, int], new: tuple[int, int], confidence: float) -> Compared:
    """Of (alarms, frames) of each, on frames of their own. The chance is Fisher's exact test."""
    both = (1 + confidence) / 2
    after, before = Share.of_counts(*new, both), Share.of_counts(*old, both)
    table = [[new[0], new[1] - new[0]], [old[0], old[1] - old[0]]]
    known = after is not None and before is not None
    return Compared(
        old[1],
        new[1],
        Share.of_counts(*old, confidence),
        Share.of_counts(*new, confidence),
        None,
        None,
        _difference(after, before),
        float(stats.fisher_exact(table)[1]) if known else None,
    )


class Advice(StrEnum):
    """What a guard says of a version on trial."""

    PROMOTE = "promote"
    END = "end"
    WAIT = "wait"


def advise(compared: Compared, most_alarms: float, least_frames: int) -> Advice:
    """Promote what surely alarms at most that much more, end what surely alarms more.

    Fewer frames than `least_frames` decide nothing. A reviewed defect that only the old version
    found ends the trial whatever the shares say.
    """
    if compared.bad_only_old > compared.bad_only_new:
        return Advice.END
    if compared.more is None or compared.new_frames < least_frames:
        return Advice.WAIT
    if compared.more.low > most_alarms:
        return Advice.END
    return Advice.PROMOTE if compared.more.high <= most_alarms else Advice.WAIT


def _difference(more: Share | None, less: Share | None) -> Share | None:
    if more is None or less is None:
        return None
    return Share(more.value - less.value, more.low - less.high, more.high - less.low)
