"""What became of each test image, and of each kind of them, at a model's thresholds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.share import alarms_by_kind
from workers.offline.images.datasets import LabelledFile
from workers.offline.scoring.ranking import Evaluation, ImageResult, ImageScores


def with_results(
    card: Evaluation,
    scores: ImageScores,
    files: Sequence[LabelledFile],
    calibration: Calibration | None,
) -> Evaluation:
    """The report card with the ensemble's score [N] and verdict of every image."""
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
    return replace(card, images=images, kinds=kinds, confidence=calibration.budget.confidence)
