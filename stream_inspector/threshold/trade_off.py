"""Escapes against false alarms: what every image threshold does, and which one keeps two limits.

Both limits are order statistics. Of n good scores the one of rank ceil((n + 1)(1 - y)) lets at most
y of good images alarm on average; just under the floor((m + 1) x)-th of m defective scores at most
x of such defective images pass on average. When the first lies above the second, both cannot hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_inspector.threshold.order import clopper_pearson
from stream_inspector.threshold.share import Share

MOST_POINTS = 120  # of a curve: what a figure can show

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """What one image threshold does."""

    threshold: float
    false_alarms: Share  # of good images
    escapes: Share  # of defective images


@dataclass(frozen=True, eq=False)
class TradeOff:
    """Ascending scores of good images [N] and of defective ones [M]; neither may be empty."""

    good: Scores
    bad: Scores
    confidence: float

    @classmethod
    def of(cls, good: Sequence[float] | Scores, bad: Scores, confidence: float) -> "TradeOff":
        """Of scores in any order."""
        return cls(np.sort(np.asarray(good, np.float64)), np.sort(bad), confidence)

    def at(self, threshold: float) -> Point:
        """The shares at a threshold; a score equal to it does not alarm."""
        alarms = self.good.size - int(np.searchsorted(self.good, threshold, side="right"))
        passes = int(np.searchsorted(self.bad, threshold, side="right"))
        return Point(
            threshold,
            _share(alarms, self.good.size, self.confidence),
            _share(passes, self.bad.size, self.confidence),
        )

    def curve(self) -> list[Point]:
        """From all that alarm to none: at most MOST_POINTS of the scores as thresholds."""
        every = np.unique(np.concatenate([self.good, self.bad]))
        picked = np.linspace(0, every.size - 1, min(every.size, MOST_POINTS)).round().astype(int)
        below = np.nextafter(every[0], -np.inf)
        return [self.at(float(each)) for each in (below, *every[picked])]

    def highest_for(self, most_escapes: float) -> float:
        """The highest threshold at which on average at most that share passes.

        With fewer than 1 / share - 1 defective images it lies under all of them, and the average
        is 1 / (M + 1).
        """
        rank = max(1, int((self.bad.size + 1) * most_escapes + 1e-9))
        return float(np.nextafter(self.bad[min(rank, self.bad.size) - 1], -np.inf))

    def promised_escapes(self, threshold: float) -> float:
        """The share of such defective images that passes on average, at most."""
        passes = int(np.searchsorted(self.bad, threshold, side="right"))
        return (passes + 1) / (self.bad.size + 1)


@dataclass(frozen=True, slots=True)
class Settled:
    """Two limits, and what became of them."""

    most_false_alarms: float | None  # None: no share was stated
    most_escapes: float
    by_false_alarms: Point  # the threshold that the good images give
    by_escapes: Point  # the highest that lets no more pass
    escapes_decide: bool

    @property
    def both_hold(self) -> bool:
        """Whether one threshold keeps both."""
        return self.by_false_alarms.threshold <= self.by_escapes.threshold

    @property
    def reachable(self) -> bool:
        """Whether any threshold above a good image lets so few pass."""
        return self.by_escapes.false_alarms.value < 1

    @property
    def chosen(self) -> Point:
        """What the model's threshold does."""
        lowered = self.escapes_decide and not self.both_hold and self.reachable
        return self.by_escapes if lowered else self.by_false_alarms

    def line(self) -> str:
        """What became of the limits, in one or two sentences."""
        asked = f"At most {self.most_escapes:.1%} of defective images may pass"
        if self.both_hold:
            return f"{asked}: that holds beside the false alarms that are accepted."
        if not self.reachable:
            return (
                f"{asked}: no threshold does that, since some of them score below every good "
                f"image. At the model's threshold {self.by_false_alarms.escapes} pass."
            )
        price = f"{self.by_escapes.false_alarms} of good images would alarm"
        if self.escapes_decide:
            price = f"the threshold was lowered, and {self.by_escapes.false_alarms} of good images"
            return f"{asked}: {price} alarm."
        return (
            f"{asked}, but then {price}, which is more than the {self.most_false_alarms:.1%} that "
            f"are accepted. The false alarms decide: {self.by_false_alarms.escapes} pass."
        )


def settle(
    trade_off: TradeOff,
    threshold: float,
    most_escapes: float,
    most_false_alarms: float | None,
    *,
    escapes_decide: bool,
) -> Settled:
    """What `threshold`, which keeps to the false alarms, and a limit for escapes ask together."""
    return Settled(
        most_false_alarms,
        most_escapes,
        trade_off.at(threshold),
        trade_off.at(trade_off.highest_for(most_escapes)),
        escapes_decide,
    )


def _share(found: int, of: int, confidence: float) -> Share:
    return Share(found / of, *clopper_pearson(found, of, confidence))
