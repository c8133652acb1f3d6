"""Normal counterparts of a test set's defective images: how good they are, and the way to them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from stream_inspector.counterpart.quality import (
    Change,
    CounterpartQuality,
    change,
    counterpart_quality,
)
from stream_inspector.counterpart.variants import Array, Counterpart, OnRound
from stream_inspector.detector import Detector
from stream_inspector.image.planes import from_planes
from stream_inspector.threshold.judge import judge
from stream_inspector.threshold.pro import binarise_mask
from stream_inspector.verdict import Image, Verdict
from workers.offline.scoring.labelled import LabelledImages
from workers.offline.scoring.maps import BATCH, ENSEMBLE, Scored

T = TypeVar("T")
MOST_STEPS = 7  # shown of the way to a counterpart

OnMade = Callable[[int, int], None]  # counterparts made, of how many


class Counterparts:
    """Makes those of a scored test set. The model has thresholds for the category."""

    def __init__(
        self, detector: Detector, category: str, test: LabelledImages, scored: Scored
    ) -> None:
        self._detector, self._category = detector, category
        self._test, self._scored = test, scored
        self._view = detector.model.view(category)

    def all(self, on_made: OnMade = lambda *_: None) -> dict[int, Counterpart]:
        """The counterpart of every defective image, by its index."""
        wanted = np.flatnonzero(self._test.truth.defective).tolist()
        made: dict[int, Counterpart] = {}
        for first in range(0, len(wanted), BATCH):
            batch = wanted[first : first + BATCH]
            made |= dict(zip(batch, self._explain(batch), strict=True))
            on_made(len(made), len(wanted))
        return made

    def steps(self, wanted: Sequence[int]) -> dict[int, list[Image]]:
        """A few steps on the way to each image's counterpart; none where tiles go their own way."""
        if len(self._view.corners) > 1:
            return {}
        kept = {index: spread(self._rounds(index)) for index in wanted}
        return {index: each for index, each in kept.items() if each}

    def _rounds(self, index: int) -> list[Image]:
        """The image after every round; none where nothing may change."""
        rounds = list[Image]()

        def keep(_: int, x: Array) -> None:
            rounds.extend(from_planes(x))

        self._explain([index], keep)
        return rounds

    def quality(self, made: dict[int, Counterpart]) -> CounterpartQuality | None:
        """Their quality as a whole; None when no image is defective."""
        if not made:
            return None
        good = [self._test.images[i] for i in np.flatnonzero(~self._test.truth.defective)]
        distances = self._detector.examine(good, [self._category] * len(good)) if good else []
        changes = [self._change(index, each) for index, each in made.items()]
        return counterpart_quality(
            list(made.values()), changes, [distance for distance, _ in distances] or None
        )

    def _explain(
        self, indices: Sequence[int], on_round: OnRound | None = None
    ) -> list[Counterpart]:
        images = [self._test.images[index] for index in indices]
        verdicts = [self._verdict(index) for index in indices]
        return self._detector.explain(
            images, verdicts, [self._category] * len(images), on_round=on_round
        )

    def _verdict(self, index: int) -> Verdict:
        scores = self._scored.image_scores
        return judge(
            self._scored.maps[ENSEMBLE][index],
            float(scores[ENSEMBLE][index]),
            {name: float(values[index]) for name, values in scores.items()},
            self._detector.model.calibrations[self._category],
            self._view.place(self._test.sizes[index]),
        )

    def _change(self, index: int, made: Counterpart) -> Change:
        mask = self._test.truth.masks[index]
        if mask is None:
            return Change(None, None)
        image = self._test.images[index]
        return change(image, made.image, binarise_mask(mask, (image.shape[0], image.shape[1])))


def spread(rounds: Sequence[T]) -> list[T]:
    """At most MOST_STEPS rounds, evenly over all, the last among them."""
    if len(rounds) <= MOST_STEPS:
        return list(rounds)
    picked = np.linspace(0, len(rounds) - 1, MOST_STEPS).round().astype(int)
    return [rounds[number] for number in picked]
