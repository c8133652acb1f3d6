"""The false alarms that a user accepts, and the calibration that keeps to them.

The user states shares of good images and good pixels, never a raw score. A calibration is made by
calibrate.py, stored in the model version, named by every event, read by judge.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Self

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.defects import DefectCheck, Thresholds
from stream_inspector.threshold.production.drift import Reference
from stream_inspector.verdict import Grade


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms the user accepts: share of good images, share of good pixels, confidence.

    One of the two shares may be None. Then the images' threshold is the largest good score, or
    the pixels' threshold lets as many good images show a pixel as may alarm.
    """

    image_false_reject: float | None = 0.05
    pixel_false_positive: float | None = 1e-3
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < 1:
                raise ValueError(f"budget {name} must lie between 0 and 1, got {value}")
        if self.image_false_reject is None and self.pixel_false_positive is None:
            raise ValueError("budget: state image_false_reject, pixel_false_positive or both")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds with the evidence behind them. A score above a threshold alarms."""

    id: str  # hash of everything below
    n_images: int
    image_threshold: float
    pixel_threshold: float
    near_miss_threshold: float
    min_area_px: int  # at the map's size
    budget: Budget
    certified_false_reject: float  # holds with budget.confidence
    promise: str
    fpr_table: tuple[tuple[float, float], ...]  # (pixel false-positive rate, threshold)
    image_scores: tuple[float, ...]  # of the good images, ascending
    member_thresholds: tuple[tuple[str, float], ...] = ()  # each member alone, by the same rule
    pixel_rate: float | None = None  # share of good pixels above, to expect of new images
    strict: bool = False  # the budget is certified, not only kept on average
    folds: int = 0  # the scores are cross-fitted: nothing is certified
    images_digest: str = ""  # of the good images' pixels, in their order
    defects: DefectCheck | None = None  # what the thresholds do to labelled images
    looks: tuple[tuple[str, tuple[float, ...]], ...] = ()  # light, focus, ... of the good images

    @property
    def thresholds(self) -> Thresholds:
        """What verdicts are made with."""
        return Thresholds(
            self.image_threshold,
            self.near_miss_threshold,
            self.pixel_threshold,
            self.min_area_px,
            self.fpr_table,
        )

    @property
    def reference(self) -> Reference:
        """What later frames are compared with."""
        return Reference.of(self.image_scores, dict(self.looks))

    def grade(self, image_score: float) -> Grade:
        """What a score means; one that equals a threshold does not exceed it."""
        if image_score > self.image_threshold:
            return Grade.DEFECT
        return Grade.NEAR_MISS if image_score > self.near_miss_threshold else Grade.PASS

    def named(self) -> Self:
        """The same with the id of its content."""
        return replace(self, id=_content_id(self))

    def with_defects(self, check: DefectCheck) -> Self:
        """The same thresholds with what they do to defects: another id."""
        return replace(self, defects=check).named()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types. Defaults are left out, so that ids outlive new fields."""
        plain = {
            field.name: value
            for field in fields(self)
            if field.default is MISSING or getattr(self, field.name) != field.default
            for value in [getattr(self, field.name)]
        }
        plain |= {name: _listed(value) for name, value in plain.items() if type(value) is tuple}
        plain["budget"] = asdict(self.budget)
        if self.defects:
            plain["defects"] = self.defects.to_dict()
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises CalibrationRefused when the id does not fit."""
        given = dict(plain)
        given["budget"] = Budget(**given["budget"])
        given["fpr_table"] = tuple((float(r), float(t)) for r, t in given["fpr_table"])
        given["image_scores"] = tuple(float(score) for score in given["image_scores"])
        given["member_thresholds"] = tuple(
            (n, float(t)) for n, t in given.get("member_thresholds", ())
        )
        given["looks"] = tuple((n, tuple(map(float, v))) for n, v in given.get("looks", ()))
        if given.get("defects"):
            given["defects"] = DefectCheck.from_dict(given["defects"])
        read = cls(**given)
        if read.id != _content_id(read):
            raise CalibrationRefused(
                f"calibration {read.id} was changed after it was made; calibrate again"
            )
        return read


def _listed(values: tuple[Any, ...]) -> list[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in values]


def _content_id(calibration: Calibration) -> str:
    plain = {name: value for name, value in calibration.to_dict().items() if name != "id"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
