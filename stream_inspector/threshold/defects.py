"""Where thresholds from good images stand on the PRO curve of labelled defects.

Both axes are exact and each comes from its own images: the false-positive rate from the good ones
that calibrated, the overlap from the defects. Nothing here changes a threshold, except that a
target for the PRO chooses the pixel rate; figures on the same defects are then optimistic.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.errors import CalibrationRefused, DataError
from stream_inspector.threshold.order import clopper_pearson
from stream_inspector.threshold.pixels import TABLE_RATES, Maps, Table
from stream_inspector.threshold.share import KindAlarms, Share, alarms_by_kind

MOST_RATE = float(TABLE_RATES[-1])  # the PRO curve is of interest up to this pixel rate
RESAMPLES = 2000

_EIGHT_CONNECTED = np.ones((3, 3))
_LATER = frozenset({"kinds", "most_escapes", "escapes_decide"})  # ids outlive new fields
_SEED = 0  # of the bootstrap: the same images give the same interval

Masks = Sequence[NDArray[np.bool_] | None]  # [H, W] each; None: unknown


@dataclass(frozen=True, slots=True)
class DefectCheck:
    """What thresholds do to labelled images."""

    images: int  # defective ones
    regions: int  # of their masks
    escape_rate: Share  # defective images that do not alarm
    near_misses: int  # of those: marked as near misses
    false_rejects: Share | None  # labelled good images that alarm; None without any
    pro: Share | None  # at the pixel threshold; None without masks
    region_recall: Share | None  # regions that a reported region touches
    curve: tuple[tuple[float, float], ...]  # (pixel rate of the table, PRO)
    confidence: float
    synthetic: bool = False  # painted defects: curves compare, their level means nothing
    target_pro: float | None = None  # the pixel rate was chosen for it
    kinds: tuple[KindAlarms, ...] = ()  # of defects, where they are told apart
    most_escapes: float | None = None  # share that may pass, as it was stated
    escapes_decide: bool = False  # the image threshold was lowered for it

    def lines(self) -> list[str]:
        """What was measured, as sentences with intervals."""
        told = [
            f"Of {self.images} defective images {self.escape_rate} pass; near misses among them: "
            f"{self.near_misses}."
        ]
        if self.false_rejects:
            told.append(f"Of the good images beside them {self.false_rejects} alarm.")
        if self.pro and self.region_recall:
            told.append(
                f"At the pixel threshold the PRO of {self.regions} defect regions is {self.pro}; "
                f"a reported region touches {self.region_recall} of them."
            )
        if len(self.kinds) > 1:
            each = (
                f"{kind.kind} {kind.images - kind.alarms} of {kind.images}" for kind in self.kinds
            )
            told.append(f"By kind, what passes: {', '.join(each)}.")
        return [*told, f"In brackets: {self.confidence:.0%} confidence."]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types. What came later is left out where it says nothing."""
        plain = {**asdict(self), "curve": [list(row) for row in self.curve]}
        plain["kinds"] = [kind.to_dict() for kind in self.kinds]
        return {name: value for name, value in plain.items() if value or name not in _LATER}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        shares = ("escape_rate", "false_rejects", "pro", "region_recall")
        read = {name: plain[name] and Share(**plain[name]) for name in shares}
        curve = tuple((float(rate), float(pro)) for rate, pro in plain["curve"])
        kinds = tuple(map(KindAlarms.from_dict, plain.get("kinds", ())))
        return cls(**{**plain, **read, "curve": curve, "kinds": kinds})


@dataclass(frozen=True, eq=False)
class Labelled:
    """Scored images of known truth."""

    maps: Maps  # [N, H, W]; -inf: not inspected
    image_scores: NDArray[np.float64]  # [N]
    defective: NDArray[np.bool_]  # [N]
    masks: Masks  # N
    kinds: Sequence[str] = ()  # N; none: not told apart

    def regions(self) -> "Regions":
        """The defect regions of the masks that are known, 8-connected, without what is not seen."""
        scores, areas, image = [np.zeros(0, np.float32)], list[int](), list[int]()
        for index in np.flatnonzero(self.defective).tolist():
            mask = self.masks[index]
            if mask is None:
                continue
            labels, count = ndimage.label(mask, structure=_EIGHT_CONNECTED)
            labels[np.isneginf(self.maps[index])] = 0
            for label in range(1, count + 1):
                found = self.maps[index][labels == label]
                if found.size:
                    scores.append(found)
                    areas.append(found.size)
                    image.append(index)
        return Regions(np.concatenate(scores), np.array(areas, int), np.array(image, int))


@dataclass(frozen=True, eq=False)
class Regions:
    """The scores inside each defect region."""

    scores: NDArray[np.float32]  # [D], region by region
    areas: NDArray[np.int64]  # [R], pixels
    image: NDArray[np.int64]  # [R], the image of each

    def __len__(self) -> int:
        return len(self.areas)

    def overlaps(self, threshold: float) -> NDArray[np.float64]:
        """The share of each region above a threshold, [R]."""
        above = self._region[self.scores > threshold]
        return np.bincount(above, minlength=len(self)) / self.areas

    def pro(self, threshold: float) -> float:
        """Per-region overlap: the mean share."""
        return float(self.overlaps(threshold).mean())

    def highest_threshold(self, pro: float) -> float:
        """The highest score which, reached or exceeded, gives at least that PRO."""
        falling = np.argsort(self.scores)[::-1]
        risen = np.cumsum(1 / (self.areas * len(self))[self._region[falling]])
        return float(self.scores[falling][int(np.searchsorted(risen, min(pro, 1.0) - 1e-9))])

    @cached_property
    def _region(self) -> NDArray[np.int64]:
        """[D], the region of each score."""
        return np.repeat(np.arange(len(self)), self.areas)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a verdict is made with, and the table it was taken from."""

    image: float
    near_miss: float
    pixel: float
    min_area_px: int
    table: Table


def check_defects(labelled: Labelled, thresholds: Thresholds, confidence: float) -> DefectCheck:
    """Escapes, region recall and the place on the PRO curve, with intervals.

    The PRO's interval is a bootstrap over images, since the regions of one image depend on each
    other; for the same reason region recall counts as many trials as there are images.
    Raises DataError without defective images.
    """
    bad = labelled.defective
    if not bad.any():
        raise DataError("there is no defective image to measure thresholds with")
    alarm = labelled.image_scores > thresholds.image
    near = ~alarm & (labelled.image_scores > thresholds.near_miss)
    escaped = Share.of_counts(int((bad & ~alarm).sum()), int(bad.sum()), confidence)
    if escaped is None:
        raise DataError("there is no defective image to measure thresholds with")
    regions = labelled.regions()
    measured = DefectCheck(
        images=int(bad.sum()),
        regions=len(regions),
        escape_rate=escaped,
        near_misses=int((bad & near).sum()),
        false_rejects=Share.of_counts(int((~bad & alarm).sum()), int((~bad).sum()), confidence),
        pro=None,
        region_recall=None,
        curve=(),
        confidence=confidence,
        kinds=_kinds(labelled, thresholds, confidence),
    )
    if not len(regions):
        return measured
    return replace(
        measured,
        pro=_bootstrapped(regions, regions.overlaps(thresholds.pixel), confidence),
        region_recall=_recall(labelled, regions, thresholds, confidence),
        curve=tuple((rate, regions.pro(at)) for rate, at in thresholds.table),
    )


def _kinds(labelled: Labelled, thresholds: Thresholds, confidence: float) -> tuple[KindAlarms, ...]:
    """Of defects; none where they are not told apart."""
    if not labelled.kinds:
        return ()
    limits = thresholds.image, thresholds.near_miss
    found = alarms_by_kind(
        labelled.image_scores, labelled.defective, labelled.kinds, limits, confidence
    )
    return tuple(each for each in found if each.defective)


def rate_for_pro(
    labelled: Labelled, good_maps: Maps, target: float, most: float = MOST_RATE
) -> float:
    """The smallest pixel rate at which the PRO is at least `target`.

    Rates below the table's first are not told apart. Raises CalibrationRefused with the PRO that
    can be had when the rate would exceed `most`, DataError without a defect region.
    """
    regions = labelled.regions()
    if not len(regions):
        raise DataError("a target for the PRO needs defect regions: masks of defective images")
    good = good_maps[good_maps > -np.inf]
    rate = float((good >= regions.highest_threshold(target)).mean())
    if rate <= most:
        return max(rate, float(TABLE_RATES[0]))
    last = good.size - 1 - int(most * good.size + 1e-9)
    best = regions.pro(float(np.partition(good, last)[last]))
    raise CalibrationRefused(
        f"a PRO of {target:g} needs a pixel false-positive rate of {rate:.2%}; at the most that is "
        f"accepted, {most:.3%}, these {len(regions)} defect regions reach {best:.3f}"
    )


def _recall(
    labelled: Labelled, regions: Regions, thresholds: Thresholds, confidence: float
) -> Share:
    """Regions that a region of the report touches."""
    touched = 0
    for index in np.unique(regions.image).tolist():
        reported = _reported(labelled.maps[index], thresholds)
        mask = labelled.masks[index]
        labels, _ = ndimage.label(mask, structure=_EIGHT_CONNECTED)
        touched += len(np.unique(labels[reported & (labels > 0)]))
    share, images = touched / len(regions), len(np.unique(regions.image))
    return Share(share, *clopper_pearson(share * images, images, confidence))


def _reported(score_map: NDArray[np.float32], thresholds: Thresholds) -> NDArray[np.bool_]:
    """The pixels [H, W] of all regions that are large enough."""
    labels, count = ndimage.label(score_map > thresholds.pixel, structure=_EIGHT_CONNECTED)
    kept = np.bincount(labels.ravel(), minlength=count + 1) >= thresholds.min_area_px
    kept[0] = False
    return np.asarray(kept[labels])


def _bootstrapped(regions: Regions, overlaps: NDArray[np.float64], confidence: float) -> Share:
    """The mean overlap with the percentile interval of images drawn anew."""
    _, image = np.unique(regions.image, return_inverse=True)
    sums, counts = np.bincount(image, overlaps), np.bincount(image)
    value = float(overlaps.mean())
    if counts.size < 2:  # one image says nothing of others
        return Share(value, 0.0, 1.0)
    rng = np.random.default_rng(_SEED)
    times = rng.multinomial(counts.size, np.full(counts.size, 1 / counts.size), RESAMPLES)
    means = (times @ sums) / (times @ counts)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Share(value, float(min(low, value)), float(max(high, value)))
