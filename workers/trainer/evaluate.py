"""How good a model is on labelled test images: ranking metrics per member, verdicts at threshold.

Pure: score maps and truth in, numbers out. Nothing here chooses anything; that is done on good
images only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.errors import DataError
from stream_inspector.threshold.pro import area_under, pixel_auroc, pro_curve, roc_auc

Maps = NDArray[np.float32]  # [N, H, W]
ImageScores = NDArray[np.float64]  # [N]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of the test images. An image without a mask counts for image metrics only."""

    defective: NDArray[np.bool_]  # [N]
    masks: tuple[NDArray[np.bool_] | None, ...]  # N of [H, W]; None: unknown


@dataclass(frozen=True, slots=True)
class Ranking:
    """Metrics that need no threshold. None where the truth does not suffice."""

    image_auroc: float | None
    pixel_auroc: float | None
    aupro_30: float | None
    aupro_05: float | None


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What the calibrated threshold does to good and defective images."""

    threshold: float
    true_alarms: int
    false_alarms: int
    missed: int
    passed: int

    @property
    def precision(self) -> float | None:
        """Share of alarms that are right; None without alarms."""
        return _ratio(self.true_alarms, self.true_alarms + self.false_alarms)

    @property
    def recall(self) -> float | None:
        """Share of defective images that alarm; None without defective images."""
        return _ratio(self.true_alarms, self.true_alarms + self.missed)

    @property
    def false_reject_rate(self) -> float | None:
        """Share of good images that alarm; None without good images."""
        return _ratio(self.false_alarms, self.false_alarms + self.passed)

    def to_dict(self) -> dict[str, Any]:
        """Counts and rates as JSON types."""
        rates = ("precision", "recall", "false_reject_rate")
        return asdict(self) | {name: getattr(self, name) for name in rates}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's report card on one category."""

    category: str
    model_version: str
    calibration_id: str | None
    engine: str
    n_good: int
    n_defective: int
    n_masks: int
    members: Mapping[str, Ranking]
    at_threshold: OperatingPoint | None
    ms_per_image: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        plain = asdict(self)
        plain["members"] = {name: asdict(ranking) for name, ranking in self.members.items()}
        plain["at_threshold"] = self.at_threshold.to_dict() if self.at_threshold else None
        return plain


def rank(maps: Maps, image_scores: ImageScores, truth: Truth) -> Ranking:
    """Image AUROC, pixel AUROC and AUPRO up to a false-positive rate of 0.3 and 0.05."""
    image = rank_images(image_scores, truth.defective)
    known = [index for index, mask in enumerate(truth.masks) if mask is not None]
    if not known:
        return Ranking(image, None, None, None)
    masks = np.stack([mask for mask in truth.masks if mask is not None])
    try:
        curve = pro_curve(maps[known], masks)
    except DataError:  # no defect region among the masks
        return Ranking(image, None, None, None)
    return Ranking(
        image, pixel_auroc(maps[known], masks), area_under(*curve, 0.3), area_under(*curve, 0.05)
    )


def rank_images(image_scores: ImageScores, defective: NDArray[np.bool_]) -> float | None:
    """Image AUROC; None when all images are good, or none is."""
    try:
        return roc_auc(image_scores, defective)
    except DataError:
        return None


def operating_point(
    image_scores: Sequence[float] | ImageScores,
    defective: Sequence[bool] | NDArray[np.bool_],
    threshold: float,
) -> OperatingPoint:
    """Counts at a threshold; a score equal to it passes, as in the worker."""
    alarm, bad = np.asarray(image_scores) > threshold, np.asarray(defective, bool)
    return OperatingPoint(
        threshold=threshold,
        true_alarms=int((alarm & bad).sum()),
        false_alarms=int((alarm & ~bad).sum()),
        missed=int((~alarm & bad).sum()),
        passed=int((~alarm & ~bad).sum()),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
