"""A measured share with its interval, and what a threshold does to each kind of image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_inspector.threshold.order import clopper_pearson


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share and its two-sided confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    @property
    def rest(self) -> "Share":
        """The share of all others: recall beside escapes."""
        return Share(1 - self.value, 1 - self.high, 1 - self.low)

    @classmethod
    def of_counts(cls, found: int, of: int, confidence: float) -> "Share | None":
        """With the interval of Clopper and Pearson; None of nothing."""
        return cls(found / of, *clopper_pearson(found, of, confidence)) if of else None


@dataclass(frozen=True, slots=True)
class KindAlarms:
    """How many images of one kind alarm."""

    kind: str  # name of its folder: good, scratch, ...
    defective: bool
    images: int
    alarms: int
    near_misses: int  # of those that do not alarm
    alarming: Share  # recall of a kind of defect, false alarms of good images

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**plain, "alarming": Share(**plain["alarming"])})


def alarms_by_kind(
    scores: NDArray[np.float64],
    defective: NDArray[np.bool_],
    kinds: Sequence[str],
    thresholds: tuple[float, float],
    confidence: float,
) -> tuple[KindAlarms, ...]:
    """Each kind of N images at the thresholds (alarm, near miss): what escapes most comes first,
    good images last.
    """
    image, near = thresholds
    alarm = scores > image
    close = ~alarm & (scores > near)
    found = list[KindAlarms]()
    names = np.asarray(kinds, dtype=object)
    for kind, bad in sorted({*zip(kinds, defective.tolist(), strict=True)}):
        of = (names == kind) & (defective == bad)
        alarms = int((alarm & of).sum())
        share = Share.of_counts(alarms, int(of.sum()), confidence)
        if share:
            near_misses = int((close & of).sum())
            found.append(KindAlarms(kind, bad, int(of.sum()), alarms, near_misses, share))
    return tuple(sorted(found, key=lambda each: (not each.defective, each.alarming.value)))
