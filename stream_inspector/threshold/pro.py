"""Exact ranking metrics of score maps: PRO curve, AUPRO, pixel and image AUROC.

Evaluation reads these; nothing in the stream does. Only the normal pixels are sorted: between two
scores of defect pixels the PRO curve is flat, so its corners lie where the defect pixels' scores
fall among the sorted normal ones. That is exact for any distribution and much faster.
"""

import numpy as np
import PIL.Image as Pil
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.errors import DataError

Maps = NDArray[np.float32]  # [N, H, W]
Masks = NDArray[np.bool_]  # [N, H, W], true on defects
Curve = NDArray[np.float64]

_PER_IMAGE_8_CONNECTED = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def pro_curve(maps: Maps, masks: Masks) -> tuple[Curve, Curve]:
    """Corners (fpr, pro) of the per-region-overlap curve, from (0, 0) to (1, 1).

    pro is the mean over all 8-connected defect regions of the share above the threshold; fpr is
    the share of normal pixels of all images above it. Ties count together, at their last point.
    """
    normal, defect, weights = _split(maps, masks)
    order = np.argsort(defect)[::-1]
    last_of_tie = np.flatnonzero(np.diff(defect[order], append=-np.inf))
    scores = defect[order][last_of_tie]
    pro = np.minimum(np.cumsum(weights[order])[last_of_tie], 1.0)
    above = normal.size - np.searchsorted(normal, scores, side="right")
    reached = normal.size - np.searchsorted(normal, scores, side="left")
    fpr = np.concatenate([[0.0], np.stack([above, reached], 1).ravel() / normal.size, [1.0]])
    before = np.concatenate([[0.0], pro[:-1]])
    return fpr, np.concatenate([[0.0], np.stack([before, pro], 1).ravel(), [1.0]])


def area_under(fpr: Curve, pro: Curve, limit: float = 0.3) -> float:
    """Trapezoidal area for fpr in [0, limit], over limit; linear interpolation at the limit."""
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be in (0, 1], got {limit}")
    inside = int(np.searchsorted(fpr, limit, side="right"))
    x, y = fpr[:inside], pro[:inside]
    if inside < fpr.size and x[-1] < limit:
        at_limit = np.interp(limit, fpr[inside - 1 : inside + 1], pro[inside - 1 : inside + 1])
        x, y = np.append(x, limit), np.append(y, at_limit)
    return float(np.clip(np.trapezoid(y, x) / limit, 0.0, 1.0))


def aupro(maps: Maps, masks: Masks, limit: float = 0.3) -> float:
    """Normalised area under the PRO curve up to the false-positive rate `limit`."""
    return area_under(*pro_curve(maps, masks), limit)


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Area under the ROC curve over all pixels; ties count one half."""
    return roc_auc(maps.ravel(), masks.ravel())


def roc_auc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """P(positive above negative) + half P(equal). `labels` are true for anomalous."""
    scores, labels = _finite(np.asarray(scores)), np.asarray(labels, bool)
    negative, positive = np.sort(scores[~labels]), scores[labels]
    if not negative.size or not positive.size:
        raise DataError("AUROC needs good and defective samples; one of the two is missing")
    below = np.searchsorted(negative, positive, side="left")
    not_above = np.searchsorted(negative, positive, side="right")
    return float((below.sum() + not_above.sum()) / (2.0 * negative.size * positive.size))


def binarise_mask(mask: NDArray[np.uint8] | NDArray[np.bool_], size: tuple[int, int]) -> Masks:
    """A mask [h, w] of 0..255 (or bool) at `size` (height, width), cut at half coverage.

    Antialiased first: "> 0" would grow every region by a pixel, "== 255" would shrink it. A mask
    of small numbers only names classes of defects (VisA's do): all of them are defects.
    """
    shades = mask.dtype == np.uint8 and mask.max(initial=0) >= 128
    coverage = Pil.fromarray((mask / 255.0 if shades else mask != 0).astype(np.float32))
    height, width = size
    return np.asarray(coverage.resize((width, height), Pil.Resampling.BOX)) >= 0.5


def _split(maps: Maps, masks: Masks) -> tuple[Maps, Maps, Curve]:
    """Sorted normal scores, defect scores and each defect pixel's share of the PRO."""
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must both be [N, H, W]")
    labels, regions = ndimage.label(masks, structure=_PER_IMAGE_8_CONNECTED)
    region_of = labels[masks]
    normal = np.sort(_finite(maps[~masks]))
    if not regions or not normal.size:
        raise DataError("the PRO curve needs defect regions and normal pixels; masks have only one")
    areas = np.bincount(region_of, minlength=regions + 1)
    return normal, _finite(maps[masks]), 1.0 / (regions * areas[region_of])


def _finite(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    if not np.isfinite(scores).all():
        raise ValueError("scores contain NaN or infinity; a ranking of them means nothing")
    return scores
