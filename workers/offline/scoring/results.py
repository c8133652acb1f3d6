"""What became of each test image, and of each kind of them, at a model's thresholds."""

from dataclasses import replace

import numpy as np

from stream_inspector.image.appearance import appearance
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.production.drift import shifts
from stream_inspector.threshold.share import alarms_by_kind
from workers.offline.scoring.labelled import LabelledImages
from workers.offline.scoring.ranking import Evaluation, ImageResult, ImageScores

_CHANCE = 0.01  # of a difference in one number, at most


def with_results(
    card: Evaluation,
    scores: ImageScores,
    test: LabelledImages,
    calibration: Calibration | None,
) -> Evaluation:
    """The report card with the ensemble's score [N] and verdict of every image."""
    files = test.files
    images = tuple(
        ImageResult(
            file=f"{file.kind}/{file.path.name}",
            kind=file.kind,
            defective=file.defective,
            score=float(score),
            verdict=calibration.grade(float(score)).value if calibration else "",
        )
        for file, score in zip(files, scores, strict=True)
    )
    if calibration is None:
        return replace(card, images=images)
    kinds = alarms_by_kind(
        scores,
        np.array([file.defective for file in files]),
        [file.kind for file in files],
        (calibration.image_threshold, calibration.near_miss_threshold),
        calibration.budget.confidence,
    )
    return replace(
        card,
        images=images,
        kinds=kinds,
        confidence=calibration.budget.confidence,
        shifts=_shifts(scores, test, calibration),
    )


def _shifts(scores: ImageScores, test: LabelledImages, made: Calibration) -> tuple[str, ...]:
    """In what the good test images differ from those that set the thresholds."""
    good = np.flatnonzero(~test.truth.defective).tolist()
    looks = [appearance(test.images[index]) for index in good]
    found = shifts(made.reference, scores[good].tolist(), looks, _CHANCE)
    return tuple(f"{each} (by chance at most {each.chance:.1g})" for each in found)
