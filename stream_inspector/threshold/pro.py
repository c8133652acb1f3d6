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

Maps = NDArray[np.float32]  # [N, H, W]; -inf: not inspected, counts neither way
Masks = NDArray[np.bool_]  # [N, H, W], true on defects
Scores = NDArray[np.floating]
Curve = NDArray[np.float64]

_EIGHT_CONNECTED = np.ones((3, 3))


@dataclass(frozen=True, slots=True)
class RankedPixels:
    """Defect pixels among the normal ones, highest score first: what every pixel metric needs."""

    scores: Scores  # [D] of the defect pixels, falling
    region: NDArray[np.int32]  # [D], from 1
    areas: NDArray[np.int64]  # [1 + regions], pixels
    normal: int  # pixels
    below: NDArray[np.int64]  # [D], normal pixels that score less
    not_above: NDArray[np.int64]  # [D], those that score no more

    def pro_curve(self, least_area: int = 1) -> tuple[Curve, Curve]:
        """Corners (fpr, pro) of the per-region-overlap curve, from (0, 0) to (1, 1).

        pro is the mean over all 8-connected defect regions of the share above the threshold; fpr
        is the share of normal pixels of all images above it. Ties count together, at their last
        point. Regions under `least_area` pixels are neither: they are left out.
        """
        kept = self._at_least(least_area)
        regions = (self.areas[1:] >= least_area).sum()
        last_of_tie = np.flatnonzero(np.diff(self.scores[kept], append=-np.inf))
        weights = 1.0 / (regions * self.areas[self.region[kept]])
        pro = np.minimum(np.cumsum(weights)[last_of_tie], 1.0)
        fpr = 1 - np.stack([self.not_above[kept], self.below[kept]], 1)[last_of_tie] / self.normal
        covered = np.stack([np.concatenate([[0.0], pro[:-1]]), pro], 1)
        return (
            np.concatenate([[0.0], fpr.ravel(), [1.0]]),
            np.concatenate([[0.0], covered.ravel(), [1.0]]),
        )

    def auroc(self, least_area: int = 1) -> float:
        """Area under the ROC curve over all pixels; ties count one half."""
        kept = self._at_least(least_area)
        return _auroc(self.below[kept], self.not_above[kept], self.normal)

    def _at_least(self, area: int) -> NDArray[np.bool_]:
        """[D], whether a defect pixel lies in a region of at least that area."""
        kept: NDArray[np.bool_] = self.areas[self.region] >= area
        if not kept.any():
            raise DataError(f"the masks have no defect region of {area} pixels or more")
        return kept


def rank_pixels(maps: Maps, masks: Masks) -> RankedPixels:
    """Sort the pixels and find the regions, 8-connected within each image.

    Raises DataError when the masks have only one kind of pixel.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must both be [N, H, W]")
    seen = ~np.isneginf(maps)
    normal, masks = np.sort(_finite(maps[seen & ~masks])), masks & seen
    defect = _finite(maps[masks])
    region, areas = _regions(masks)
    if not defect.size or not normal.size:
        raise DataError("the PRO curve needs defect regions and normal pixels; masks have only one")
    falling = np.argsort(defect)[::-1]
    scores = defect[falling]
    below, not_above = _places(normal, scores)
    return RankedPixels(scores, region[falling], areas, normal.size, below, not_above)


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
    return _auroc(*_places(negative, positive), negative.size)


def binarise_mask(
    mask: NDArray[np.uint8] | NDArray[np.bool_],
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> Masks:
    """A mask [h, w] of 0..255 (or bool) at `size` (height, width), cut at half coverage.

    `box` (left, top, right, bottom) is the part that is wanted.

    Antialiased first: "> 0" would grow every region by a pixel, "== 255" would shrink it. A mask
    of small numbers only names classes of defects (VisA's do): all of them are defects.
    """
    shades = mask.dtype == np.uint8 and mask.max(initial=0) >= 128
    coverage = Pil.fromarray((mask / 255.0 if shades else mask != 0).astype(np.float32))
    height, width = size
    return np.asarray(coverage.resize((width, height), Pil.Resampling.BOX, box)) >= 0.5


def _regions(masks: Masks) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The region of each defect pixel, from 1, and the area of each region, from index 1."""
    found, count = [np.zeros(0, np.int32)], 0
    for mask in masks[masks.any(axis=(1, 2))]:
        labels, regions = ndimage.label(mask, structure=_EIGHT_CONNECTED)
        found.append(labels[mask] + np.int32(count))
        count += regions
    region = np.concatenate(found)
    return region, np.bincount(region, minlength=count + 1)


def _places(negative: Scores, scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of the sorted negatives lie below each score, and how many not above it."""
    below = np.searchsorted(negative, scores, side="left")
    return below, np.searchsorted(negative, scores, side="right")


def _auroc(below: NDArray[np.int64], not_above: NDArray[np.int64], negatives: int) -> float:
    return float((below.sum() + not_above.sum()) / (2.0 * negatives * below.size))


def _finite(scores: Scores) -> Scores:
    if not np.isfinite(scores).all():
        raise ValueError("scores contain NaN or infinity; a ranking of them means nothing")
    return scores
