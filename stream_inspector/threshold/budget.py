"""A budget of false alarms + held-out good images -> the thresholds, and what they promise.

The user states shares of good images and good pixels, never a raw score. Made by `calibrate` from
images that nothing else used, stored in the model version, named by every event, read by judge.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from stream_inspector.errors import CalibrationRefused

FEWEST_IMAGES = 5  # below this even the largest good score says next to nothing
NEAR_MISS_FACTOR = 3.0  # near misses begin where this many times the budgeted share would alarm
LARGEST_SPECK = 1e-3  # share of the map; what is larger is a region, whatever good images show
TABLE_RATES = np.geomspace(1e-5, 0.3, 46)  # ten rows a decade

_EIGHT_CONNECTED = np.ones((3, 3))


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms the user accepts: share of good images, share of good pixels, confidence."""

    image_false_reject: float = 0.05
    pixel_false_positive: float = 1e-3
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise ValueError(f"budget {name} must lie between 0 and 1, got {value}")


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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        plain = asdict(self)
        plain["fpr_table"] = [list(row) for row in self.fpr_table]
        plain["image_scores"] = list(self.image_scores)
        plain["member_thresholds"] = [list(row) for row in self.member_thresholds]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises CalibrationRefused when the id does not fit."""
        fields = dict(plain)
        fields["budget"] = Budget(**fields["budget"])
        fields["fpr_table"] = tuple((float(r), float(t)) for r, t in fields["fpr_table"])
        fields["image_scores"] = tuple(float(score) for score in fields["image_scores"])
        fields["member_thresholds"] = tuple((n, float(t)) for n, t in fields["member_thresholds"])
        read = cls(**fields)
        if read.id != _content_id(read):
            raise CalibrationRefused(
                f"calibration {read.id} was changed after it was made; calibrate again"
            )
        return read


def calibrate(
    good_maps: NDArray[np.float32],
    good_image_scores: NDArray[np.float64],
    budget: Budget,
    *,
    member_scores: Mapping[str, NDArray[np.float64]] | None = None,
    strict: bool = False,
) -> Calibration:
    """Thresholds from good maps [N, H, W] and image scores [N] that nothing else has used.

    Pixels of -inf are not inspected and count nowhere.

    By default the image threshold is split conformal: on average over calibrations at most the
    budgeted share of good images lies above. `strict` asks that it holds with
    `budget.confidence` for this one, and refuses when N cannot carry that.
    """
    scores = np.sort(np.asarray(good_image_scores, np.float64))
    _check(good_maps, scores, budget, strict)
    n, alpha = scores.size, budget.image_false_reject
    rank = certified_rank(n, budget) if strict else conformal_rank(n, alpha)
    near = conformal_rank(n, min(NEAR_MISS_FACTOR * alpha, 0.5))
    certified = certified_rate(n, rank, budget.confidence)
    table = pixel_table(good_maps, budget.pixel_false_positive)
    pixel_threshold = dict(table)[budget.pixel_false_positive]
    unnamed = Calibration(
        id="",
        n_images=n,
        image_threshold=float(scores[rank - 1]),
        pixel_threshold=pixel_threshold,
        near_miss_threshold=float(scores[min(near, rank) - 1]),
        min_area_px=_min_area(good_maps, pixel_threshold, rank),
        budget=budget,
        certified_false_reject=certified,
        promise=_promise(n, rank, certified, budget),
        fpr_table=table,
        image_scores=tuple(scores.tolist()),
        member_thresholds=tuple(
            (name, float(np.sort(values)[rank - 1]))
            for name, values in sorted((member_scores or {}).items())
        ),
    )
    return replace(unnamed, id=_content_id(unnamed))


def conformal_rank(n: int, alpha: float) -> int:
    """k = ceil((n + 1)(1 - alpha)), at most n: the k-th smallest good score is the threshold."""
    return min(n, math.ceil((n + 1) * (1 - alpha) - 1e-9))  # 1e-9: 20 * 0.95 is 19, not 20


def certified_rate(n: int, rank: int, confidence: float) -> float:
    """The false-reject rate that the rank-th of n good scores stays under with `confidence`.

    The share above an order statistic is Beta(n + 1 - k, k), whatever the scores' distribution.
    """
    return float(special.betaincinv(n + 1 - rank, rank, confidence))


def certified_rank(n: int, budget: Budget) -> int:
    """The lowest rank that certifies the budget. Needs `images_needed(budget)` images."""
    ranks = np.arange(1, n + 1)
    rates = special.betaincinv(n + 1 - ranks, ranks, budget.confidence)
    return int(ranks[rates <= budget.image_false_reject][0])


def images_needed(budget: Budget) -> int:
    """Fewest good images whose maximum certifies the budget: (1 - alpha)^n <= 1 - confidence."""
    n = math.log(1 - budget.confidence) / math.log(1 - budget.image_false_reject)
    return math.ceil(n - 1e-9)


def pixel_table(good_maps: NDArray[np.float32], rate: float) -> tuple[tuple[float, float], ...]:
    """Rows (fpr, threshold) for TABLE_RATES and `rate`: at most that share of pixels lies above."""
    pixels = np.sort(good_maps[good_maps > -np.inf])
    rates = sorted({*TABLE_RATES.tolist(), rate})
    allowed = (np.asarray(rates) * pixels.size + 1e-9).astype(int)
    thresholds = pixels[pixels.size - 1 - allowed]
    return tuple(zip(rates, thresholds.tolist(), strict=True))


def _min_area(good_maps: NDArray[np.float32], threshold: float, rank: int) -> int:
    """One more than the largest blob of the rank-th good image, so that speckle shows no region.

    Bounded by LARGEST_SPECK: a few good images with large false regions must not hide defects.
    """
    largest = np.sort([_largest_blob(each > threshold) for each in good_maps])
    speck = max(1, int(LARGEST_SPECK * (good_maps[0] > -np.inf).sum()))
    return int(min(largest[rank - 1] + 1, speck))


def _largest_blob(above: NDArray[np.bool_]) -> int:
    labels, _ = ndimage.label(above, structure=_EIGHT_CONNECTED)
    return int(np.bincount(labels.ravel())[1:].max(initial=0))


def _promise(n: int, rank: int, certified: float, budget: Budget) -> str:
    average = 1 - rank / (n + 1)
    certain = f"with {budget.confidence:.0%} confidence at most {certified:.1%}"
    text = f"Of good images on average at most {average:.1%} alarm, {certain} ({n} good images)."
    if certified <= budget.image_false_reject:
        return text
    more = max(0, images_needed(budget) - n)
    advice = f"{more} more good images" if more else "a strict calibration"
    return f"{text} {budget.image_false_reject:.1%} at that confidence needs {advice}."


def _check(
    maps: NDArray[np.float32], scores: NDArray[np.float64], budget: Budget, strict: bool
) -> None:
    if maps.ndim != 3 or len(maps) != scores.size:
        raise ValueError(f"maps {maps.shape} must be [N, H, W] with N = {scores.size} scores")
    _refuse_if_fewer(scores.size, FEWEST_IMAGES, "any threshold")
    if not np.isfinite(scores).all() or not (maps < np.inf).all():
        raise CalibrationRefused("good images have scores that are NaN or infinite; train again")
    if strict:
        goal = f"{budget.image_false_reject:.1%} false rejects at {budget.confidence:.0%}"
        _refuse_if_fewer(scores.size, images_needed(budget), goal)


def _refuse_if_fewer(n: int, needed: int, goal: str) -> None:
    if n < needed:
        raise CalibrationRefused(
            f"{goal} needs {needed} held-out good images, there are {n}: {needed - n} are missing"
        )


def _content_id(calibration: Calibration) -> str:
    plain = {name: value for name, value in calibration.to_dict().items() if name != "id"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
