"""Exact ranking metrics of score maps: PRO curve, AUPRO, pixel and image AUROC.

Evaluation reads these; nothing in the stream does. Only the normal pixels are sorted: between two
scores of defect pixels the PRO curve is flat, so its corners lie where the defect pixels' scores
fall among the sorted normal ones. That is exact for any distribution and much faster.
"""

from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.errors import DataError

Maps = NDArray[np.float32]  # [N, H, W]
Masks = NDArray[np.bool_]  # [N, H, W], true on defects
Scores = NDArray[np.floating]
Curve = NDArray[np.float64]

_PER_IMAGE_8_CONNECTED = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


@dataclass(frozen=True, slots=True)
class RankedPixels:
    """What every pixel metric needs of maps and masks: one sort serves them all."""

    normal: Scores  # sorted
    defect: Scores
    region: NDArray[np.int32]  # of each defect pixel, from 1
    areas: NDArray[np.int64]  # [1 + regions], pixels

    def pro_curve(self, least_area: int = 1) -> tuple[Curve, Curve]:
        """Corners (fpr, pro) of the per-region-overlap curve, from (0, 0) to (1, 1).

        pro is the mean over all 8-connected defect regions of the share above the threshold; fpr
        is the share of normal pixels of all images above it. Ties count together, at their last
        point. Regions under `least_area` pixels are neither: they are left out.
        """
        defect, region = self._at_least(least_area)
        weights = 1.0 / ((self.areas[1:] >= least_area).sum() * self.areas[region])
        order = np.argsort(defect)[::-1]
        last_of_tie = np.flatnonzero(np.diff(defect[order], append=-np.inf))
        scores = defect[order][last_of_tie]
        pro = np.minimum(np.cumsum(weights[order])[last_of_tie], 1.0)
        above = self.normal.size - np.searchsorted(self.normal, scores, side="right")
        reached = self.normal.size - np.searchsorted(self.normal, scores, side="left")
        fpr = np.stack([above, reached], 1).ravel() / self.normal.size
        before = np.concatenate([[0.0], pro[:-1]])
        covered = np.stack([before, pro], 1).ravel()
        return np.concatenate([[0.0], fpr, [1.0]]), np.concatenate([[0.0], covered, [1.0]])

    def auroc(self, least_area: int = 1) -> float:
        """Area under the ROC curve over all pixels; ties count one half."""
        return _auroc(self.normal, self._at_least(least_area)[0])

    def _at_least(self, area: int) -> tuple[Scores, NDArray[np.int32]]:
        """Scores and regions of the defect pixels in regions of at least that area."""
        kept = self.areas[self.region] >= area
        if not kept.any():
            raise DataError(f"the masks have no defect region of {area} pixels or more")
        return self.defect[kept], self.region[kept]


def rank_pixels(maps: Maps, masks: Masks) -> RankedPixels:
    """Sort the normal pixels and find the regions, 8-connected within each image.

    Raises DataError when the masks have only one kind of pixel.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must both be [N, H, W]")
    region, areas = _regions(masks)
    normal = np.sort(_finite(maps[~masks]))
    if areas.size == 1 or not normal.size:
        raise DataError("the PRO curve needs defect regions and normal pixels; masks have only one")
    return RankedPixels(normal, _finite(maps[masks]), region, areas)


def region_areas(masks: Masks) -> NDArray[np.int64]:
    """Pixels of each 8-connected defect region."""
    return _regions(masks)[1][1:]


def pro_curve(maps: Maps, masks: Masks, least_area: int = 1) -> tuple[Curve, Curve]:
    """Corners (fpr, pro) of the PRO curve; see `RankedPixels.pro_curve`."""
    return rank_pixels(maps, masks).pro_curve(least_area)


def pro_at(curve: tuple[Curve, Curve], rates: Curve) -> Curve:
    """The PRO at false-positive rates in [0, 1]: the top of a step, linear between corners."""
    fpr, pro = curve
    right = np.minimum(np.searchsorted(fpr, rates, side="right"), fpr.size - 1)
    left = np.maximum(right - 1, 0)
    run = fpr[right] - fpr[left]
    share = np.divide(rates - fpr[left], run, out=np.ones_like(rates), where=run > 0)
    risen: Curve = pro[left] + share * (pro[right] - pro[left])
    return risen


def area_under(fpr: Curve, pro: Curve, limit: float = 0.3) -> float:
    """Trapezoidal area for fpr in [0, limit], over limit; linear interpolation at the limit."""
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be in (0, 1], got {limit}")
    inside = int(np.searchsorted(fpr, limit, side="right"))
    at_limit = pro_at((fpr, pro), np.array([limit]))
    area = np.trapezoid(np.append(pro[:inside], at_limit), np.append(fpr[:inside], limit))
    return float(np.clip(area / limit, 0.0, 1.0))


def aupro(maps: Maps, masks: Masks, limit: float = 0.3) -> float:
    """Normalised area under the PRO curve up to the false-positive rate `limit`."""
    return area_under(*pro_curve(maps, masks), limit)


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Area under the ROC curve over all pixels; ties count one half."""
    return rank_pixels(maps, masks).auroc()


def roc_auc(scores: Scores, labels: NDArray[np.bool_]) -> float:
    """P(positive above negative) + half P(equal). `labels` are true for anomalous."""
    scores, labels = _finite(np.asarray(scores)), np.asarray(labels, bool)
    negative, positive = np.sort(scores[~labels]), scores[labels]
    if not negative.size or not positive.size:
        raise DataError("AUROC needs good and defective samples; one of the two is missing")
    return _auroc(negative, positive)


def binarise_mask(mask: NDArray[np.uint8] | NDArray[np.bool_], size: tuple[int, int]) -> Masks:
    """A mask [h, w] of 0..255 (or bool) at `size` (height, width), cut at half coverage.

    Antialiased first: "> 0" would grow every region by a pixel, "== 255" would shrink it. A mask
    of small numbers only names classes of defects (VisA's do): all of them are defects.
    """
    shades = mask.dtype == np.uint8 and mask.max(initial=0) >= 128
    coverage = Pil.fromarray((mask / 255.0 if shades else mask != 0).astype(np.float32))
    height, width = size
    return np.asarray(coverage.resize((width, height), Pil.Resampling.BOX)) >= 0.5


def _regions(masks: Masks) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The region of each defect pixel, from 1, and the area of each region, from index 1."""
    labels, count = ndimage.label(masks, structure=_PER_IMAGE_8_CONNECTED)
    region = labels[masks]
    return region, np.bincount(region, minlength=count + 1)


def _auroc(negative: Scores, positive: Scores) -> float:
    """From sorted negatives."""
    below = np.searchsorted(negative, positive, side="left")
    not_above = np.searchsorted(negative, positive, side="right")
    return float((below.sum() + not_above.sum()) / (2.0 * negative.size * positive.size))


def _finite(scores: Scores) -> Scores:
    if not np.isfinite(scores).all():
        raise ValueError("scores contain NaN or infinity; a ranking of them means nothing")
    return scores
