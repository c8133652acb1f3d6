"""What inspection returns: plain frozen values."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # [H, W, 3], RGB
ScoreMap = NDArray[np.float32]  # [H, W], larger is more anomalous; -inf: not inspected


class Grade(StrEnum):
    """The three grades of an inspected frame."""

    PASS = "pass"  # noqa: S105
    NEAR_MISS = "near_miss"  # under the threshold, inside the stated margin
    DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class Region:
    """One connected anomalous region, in pixels of the frame as captured."""

    x: int
    y: int
    width: int
    height: int
    polygon: tuple[tuple[int, int], ...]  # outline, (x, y), clockwise
    area_px: int
    peak_score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one image."""

    grade: Grade
    image_score: float
    image_threshold: float
    pixel_threshold: float
    regions: tuple[Region, ...]
    score_map: ScoreMap  # of the view's canvas
    member_scores: dict[str, float] = field(default_factory=dict)  # each member alone
