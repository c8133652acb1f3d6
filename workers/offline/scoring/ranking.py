"""How good a model is on labelled test images: ranking metrics per member, verdicts at threshold.

Pure: score maps and truth in, numbers out. Nothing here chooses anything; that is done on good
images only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.counterpart.quality import CounterpartQuality
from stream_inspector.errors import DataError
from stream_inspector.threshold.pro import area_under, pro_at, rank_pixels, region_areas, roc_auc
from stream_inspector.threshold.share import KindAlarms, Share

CONFIDENCE = 0.95  # of intervals, unless a calibration states another
LARGE = 10  # pixels: smaller regions are often specks of a mask, smaller than the maps can tell
CURVE_RATES = 0.3 * np.linspace(0, 1, 61) ** 2  # of the PRO curve as data; dense where it is steep

Maps = NDArray[np.float32]  # [N, H, W]
ImageScores = NDArray[np.float64]  # [N]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of the test images. An image without a mask counts for image metrics only."""

    defective: NDArray[np.bool_]  # [N]
    masks: tuple[NDArray[np.bool_] | None, ...]  # N of [H, W]; None: unknown

    def region_areas(self) -> NDArray[np.int64]:
        """Pixels of each defect region."""
        known = [mask for mask in self.masks if mask is not None]
        return region_areas(np.stack(known)) if known else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Metrics that need no threshold. None where the truth does not suffice."""

    image_auroc: float | None
    pixel_auroc: float | None = None
    aupro_30: float | None = None
    aupro_05: float | None = None
    large_pixel_auroc: float | None = None  # of regions of LARGE pixels or more
    large_aupro_30: float | None = None
    large_aupro_05: float | None = None
    pro: tuple[float, ...] = ()  # the PRO curve at CURVE_RATES


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What the calibrated threshold does to good and defective images."""

    threshold: float
    true_alarms: int
    false_alarms: int
    missed: int
    passed: int
    missed_near: int = 0  # of the missed: marked as near misses
    passed_near: int = 0  # of the passed

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
class ImageResult:
    """What became of one test image."""

    file: str  # kind/name
    kind: str
    defective: bool
    score: float
    verdict: str  # defect, near_miss or pass; empty without thresholds


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's report card on one category."""

    category: str
    model_version: str
    calibration_id: str | None
    engine: str
    resolution: tuple[int, int]  # (height, width) at which maps and masks are compared
    n_good: int
    n_defective: int
    n_masks: int
    n_regions: int
    n_large_regions: int
    members: Mapping[str, Ranking]
    at_threshold: OperatingPoint | None
    ms_per_image: float
    counterparts: CounterpartQuality | None = None
    kinds: tuple[KindAlarms, ...] = ()  # at the threshold; none without thresholds
    images: tuple[ImageResult, ...] = ()
    confidence: float = CONFIDENCE  # of intervals
    provisional: bool = False  # of few images, without a network
    shifts: tuple[str, ...] = ()  # in what good test images differ from those that calibrated

    @property
    def recall(self) -> Share | None:
        """Share of defective images that alarm; None without any, or without thresholds."""
        return self._alarming(defective=True)

    @property
    def false_alarms(self) -> Share | None:
        """Share of good images that alarm; None without any, or without thresholds."""
        return self._alarming(defective=False)

    def _alarming(self, *, defective: bool) -> Share | None:
        of = [kind for kind in self.kinds if kind.defective == defective]
        alarms, images = (sum(getattr(kind, n) for kind in of) for n in ("alarms", "images"))
        return Share.of_counts(alarms, images, self.confidence)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        plain = asdict(self)
        plain["members"] = {name: asdict(ranking) for name, ranking in self.members.items()}
        plain["at_threshold"] = self.at_threshold.to_dict() if self.at_threshold else None
        for name in ("recall", "false_alarms"):
            found = getattr(self, name)
            plain[name] = asdict(found) if found else None
        return plain


def rank(maps: Maps, image_scores: ImageScores, truth: Truth) -> Ranking:
    """Image AUROC, pixel AUROC and AUPRO up to a false-positive rate of 0.3 and 0.05.

    Image labels come from the folders, not from the masks: a mask may vanish when it is resized.
    """
    image = rank_images(image_scores, truth.defective)
    known = [index for index, mask in enumerate(truth.masks) if mask is not None]
    if not known:
        return Ranking(image)
    masks = np.stack([mask for mask in truth.masks if mask is not None])
    try:
        pixels = rank_pixels(maps[known], masks)
    except DataError:  # no defect region among the masks
        return Ranking(image)
    curve = pixels.pro_curve()
    ranking = Ranking(
        image,
        pixels.auroc(),
        area_under(*curve, 0.3),
        area_under(*curve, 0.05),
        pro=tuple(round(float(value), 5) for value in pro_at(curve, CURVE_RATES)),
    )
    if (pixels.areas[1:] < LARGE).all():
        return ranking
    large = pixels.pro_curve(LARGE)
    return replace(
        ranking,
        large_pixel_auroc=pixels.auroc(LARGE),
        large_aupro_30=area_under(*large, 0.3),
        large_aupro_05=area_under(*large, 0.05),
    )


def mean_rankings(cards: Iterable[Mapping[str, Ranking]]) -> dict[str, Ranking]:
    """Each member's mean over categories; None where a category could not be measured."""
    every = list(cards)
    names = [name for name in every[0] if all(name in card for card in every)] if every else []
    return {name: _mean_ranking([card[name] for card in every]) for name in names}


def _mean_ranking(rankings: Sequence[Ranking]) -> Ranking:
    figures = [each.name for each in fields(Ranking) if each.name != "pro"]
    curves = [ranking.pro for ranking in rankings if ranking.pro]
    pro = np.mean(curves, axis=0).tolist() if len(curves) == len(rankings) else ()
    return Ranking(
        **{name: _mean([getattr(each, name) for each in rankings]) for name in figures},
        pro=tuple(pro),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


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
    near: float | None = None,
) -> OperatingPoint:
    """Counts at a threshold; a score equal to it passes, as in the worker.

    Scores above `near` that do not alarm are near misses.
    """
    scores, bad = np.asarray(image_scores), np.asarray(defective, bool)
    alarm = scores > threshold
    close = ~alarm & (scores > (threshold if near is None else near))
    return OperatingPoint(
        threshold=threshold,
        true_alarms=int((alarm & bad).sum()),
        false_alarms=int((alarm & ~bad).sum()),
        missed=int((~alarm & bad).sum()),
        passed=int((~alarm & ~bad).sum()),
        missed_near=int((close & bad).sum()),
        passed_near=int((close & ~bad).sum()),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
