"""Which test images a report shows: the instructive ones, and a bounded number of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

MOST = 8  # worst misses, and worst false alarms
MOST_OF_A_KIND, MOST_FOUND = 2, 12  # defects that were found


class Outcome(StrEnum):
    """What became of a test image at the threshold."""

    FOUND = "found"
    MISSED = "missed"
    NEAR = "missed, a near miss"
    FALSE_ALARM = "false alarm"
    PASSED = "passed"

    @property
    def right(self) -> bool:
        """Whether the verdict agrees with the truth."""
        return self in {Outcome.FOUND, Outcome.PASSED}


@dataclass(frozen=True, slots=True)
class Judged:
    """Image scores beside the truth and the thresholds."""

    scores: NDArray[np.float64]  # [N]
    defective: NDArray[np.bool_]  # [N]
    kinds: Sequence[str]  # N
    threshold: float
    near: float

    def outcome(self, index: int) -> Outcome:
        """What became of one image."""
        alarm = self.scores[index] > self.threshold
        if not self.defective[index]:
            return Outcome.FALSE_ALARM if alarm else Outcome.PASSED
        if alarm:
            return Outcome.FOUND
        return Outcome.NEAR if self.scores[index] > self.near else Outcome.MISSED


@dataclass(frozen=True, slots=True)
class Examples:
    """Indices of the images to show, the worst first; how many there are of each in all."""

    missed: list[int]  # defective, lowest scores first; those that were found when none is missed
    false_alarms: list[int]  # good, highest scores first; those that passed when none alarms
    found: list[int]  # kind by kind
    n_missed: int
    n_false_alarms: int

    @property
    def every(self) -> list[int]:
        """All of them, each once."""
        return [*self.missed, *self.false_alarms, *self.found]


def choose(judged: Judged) -> Examples:
    """Worst misses, worst false alarms, and some found defects of every kind."""
    rising = [int(index) for index in np.argsort(judged.scores, kind="stable")]
    bad = [index for index in rising if judged.defective[index]]
    good = [index for index in reversed(rising) if not judged.defective[index]]
    missed = [index for index in bad if not judged.outcome(index).right]
    false = [index for index in good if not judged.outcome(index).right]
    lowest = (missed or bad)[:MOST]
    others = [i for i in reversed(bad) if i not in lowest and judged.outcome(i) is Outcome.FOUND]
    return Examples(
        missed=lowest,
        false_alarms=(false or good)[:MOST],
        found=_of_every_kind(others, judged.kinds)[:MOST_FOUND],
        n_missed=len(missed),
        n_false_alarms=len(false),
    )


def _of_every_kind(indices: Sequence[int], kinds: Sequence[str]) -> list[int]:
    """A few of each kind; the first of every kind before any second."""
    by_kind: dict[str, list[int]] = {}
    for index in indices:
        by_kind.setdefault(kinds[index], []).append(index)
    rounds = range(MOST_OF_A_KIND)
    return [by_kind[kind][n] for n in rounds for kind in sorted(by_kind) if n < len(by_kind[kind])]
