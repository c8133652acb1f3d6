"""Whether production still looks like the good images that set the thresholds.

A frame's conformal p-value says where its score lies among the n scores of good images. If frames
are exchangeable with them, the ranks of the last m are a sample without replacement from n + m
ranks, whose mean deviates from the middle by t with a chance of at most 2 exp(-6 k t^2), k being
the size of either sample: ranks have the moments of a uniform variable or less (sinh(x)/x is at
most exp(x^2/6)), and without replacement is no worse than with it (Hoeffding 1963, section 6). No
distribution is assumed. A defect moves the mean by its rank only, however high its score.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_inspector.image.appearance import ASPECTS, Appearance

SCORE = "score"
WINDOW = 50  # frames
STEP = 10  # frames from one look to the next
CHANCE = 1e-6  # of a false alarm, at most: of one look at one number
_CALM = 1e-3  # a shift is over when it could be chance so often
FEWEST = 5  # good images to compare with

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reference:
    """Ascending numbers of the good images, by name: scores, and what the pictures look like.

    Cross-fitted scores lie a little above those of the model itself, so that lower scores say
    nothing: only higher ones are told.
    """

    numbers: Mapping[str, Values]

    @classmethod
    def of(cls, scores: Sequence[float], looks: Mapping[str, Sequence[float]]) -> "Reference":
        """Of scores in any order, and of what is known of the pictures."""
        every = {SCORE: scores, **looks}
        return cls(
            {
                name: np.sort(np.asarray(values, np.float64))
                for name, values in every.items()
                if len(values) >= FEWEST
            }
        )

    def places(self, score: float, look: Appearance) -> dict[str, float]:
        """The share of good images with a smaller number, each; those that tie count half.

        One less it is the conformal p-value, but for the frame itself.
        """
        found = {SCORE: score, **dict(zip(ASPECTS, look.values, strict=True))}
        return {name: _place(values, found[name]) for name, values in self.numbers.items()}


@dataclass(frozen=True, slots=True)
class Shift:
    """One number of the last frames beside that of the good images."""

    what: str  # score, light, focus, across, down
    place: float  # mean share of good images with a smaller number: 0.5 when nothing has changed
    chance: float  # at most, of frames like the good images

    def __str__(self) -> str:
        higher = self.place > 0.5
        return (
            f"{_WORDS[self.what][higher]} than {max(self.place, 1 - self.place):.0%} of good images"
        )


_WORDS = {
    SCORE: ("scores lower", "scores higher"),
    "light": ("darker", "brighter"),
    "focus": ("softer", "sharper"),
    "across": ("farther left", "farther right"),
    "down": ("farther up", "farther down"),
}


class Watch:
    """The last frames of one camera and category. Not safe for concurrent calls."""

    def __init__(self, reference: Reference, window: int = WINDOW, step: int = STEP) -> None:
        self._reference, self._window, self._step = reference, window, step
        self._places: dict[str, deque[float]] = {
            name: deque(maxlen=window) for name in reference.numbers
        }
        self._until_look = window
        self.shifts: dict[str, Shift] = {}  # that last, by what has shifted

    def note(self, score: float, look: Appearance) -> bool:
        """A frame. Whether `shifts` names other things than before."""
        for name, place in self._reference.places(score, look).items():
            self._places[name].append(place)
        self._until_look -= 1
        if self._until_look > 0:
            return False
        self._until_look = self._step
        before = set(self.shifts)
        self.shifts = {name: shift for name in self._places for shift in self._look(name)}
        return set(self.shifts) != before

    def _look(self, name: str) -> list[Shift]:
        values, places = self._reference.numbers[name], self._places[name]
        found = shift(name, values.size, places)
        limit = _CALM if name in self.shifts else CHANCE
        return [found] if found.chance <= limit else []


def shift(what: str, good: int, places: Sequence[float] | deque[float]) -> Shift:
    """What the places of m frames among n good images say; a fall of scores is chance."""
    place = sum(places) / len(places)
    if what == SCORE and place <= 0.5:
        return Shift(what, place, 1.0)
    return Shift(what, place, chance(good, len(places), place))


def score_shift(reference: Reference, scores: Sequence[float]) -> Shift | None:
    """What the scores of some frames say; None of none, or where too few good images are known."""
    good = reference.numbers.get(SCORE)
    if good is None or not scores:
        return None
    return shift(SCORE, good.size, [_place(good, score) for score in scores])


def shifts(
    reference: Reference, scores: Sequence[float], looks: Sequence[Appearance], limit: float
) -> list[Shift]:
    """What differs in a whole set of images, by more than that chance of each number."""
    places = [reference.places(*each) for each in zip(scores, looks, strict=True)]
    found = [
        shift(name, values.size, [place[name] for place in places])
        for name, values in reference.numbers.items()
        if places
    ]
    return [each for each in found if each.chance <= limit]


def chance(good: int, frames: int, place: float) -> float:
    """At most the chance of so uneven a mean place of m frames among n exchangeable images.

    The mean rank of the frames deviates from the middle by (place - 1/2) n / (n + m) of all
    ranks, that of the good images by (place - 1/2) m / (n + m) the other way.
    """
    every, off = good + frames, abs(place - 0.5)
    exponent = max(frames * (off * good / every) ** 2, good * (off * frames / every) ** 2)
    return min(1.0, 2 * math.exp(-6 * exponent))


def _place(values: Values, number: float) -> float:
    below = int(np.searchsorted(values, number, side="left"))
    not_above = int(np.searchsorted(values, number, side="right"))
    return (below + not_above) / (2 * values.size)
