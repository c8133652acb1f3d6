"""alpha: how much of the diffusion members' weight is KL's, the rest is the feature error's.

A = alpha KL + (1 - alpha) features (RAN section D), beside whatever else a preset weighs. It is
0.5 unless labelled defects of the category say better; figures on those same images are optimistic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from stream_inspector.threshold.pro import Maps, Scores, aupro, roc_auc

Weights = tuple[tuple[str, float], ...]

KL, FEATURES = "kl", "features"
EVEN = 0.5
GRID = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, slots=True)
class TunedAlpha:
    """The best alpha of the grid. Quality: mean of AUPRO@0.3 and image AUROC."""

    alpha: float
    quality: float
    gain: float  # of quality over alpha = 0.5


def with_alpha(weights: Weights, alpha: float) -> Weights:
    """The weights with the diffusion members' total split as alpha : 1 - alpha.

    A member that gets nothing is left out.
    """
    total = sum(weight for name, weight in weights if name in {KL, FEATURES})
    split = ((KL, alpha * total), (FEATURES, (1 - alpha) * total))
    rest = tuple(each for each in weights if each[0] not in {KL, FEATURES})
    return tuple(each for each in split if each[1] > 0) + rest


def tune_alpha(
    maps: Mapping[str, Maps],
    image_scores: Mapping[str, Scores],
    weights: Weights,
    defective: NDArray[np.bool_],
    masks: Sequence[NDArray[np.bool_] | None],
) -> TunedAlpha:
    """Choose alpha by how well the ensemble of all weighed members ranks labelled images.

    Normalised maps [N, H, W] and image scores [N] are given by member, masks [H, W] by image; an
    image without one counts for the image AUROC only. Qualities that agree to four digits tie, and
    the alpha nearest 0.5 is taken. Raises DataError unless there are good and defective images.
    """
    quality = {
        alpha: _quality(maps, image_scores, with_alpha(weights, alpha), defective, masks)
        for alpha in GRID
    }
    best = max(GRID, key=lambda alpha: (round(quality[alpha], 4), -abs(alpha - EVEN)))
    return TunedAlpha(best, quality[best], quality[best] - quality[EVEN])


def _quality(
    maps: Mapping[str, Maps],
    image_scores: Mapping[str, Scores],
    weights: Weights,
    defective: NDArray[np.bool_],
    masks: Sequence[NDArray[np.bool_] | None],
) -> float:
    image = roc_auc(_weighted(image_scores, weights), defective)
    known = [index for index, mask in enumerate(masks) if mask is not None]
    truth = [mask for mask in masks if mask is not None]
    if not any(mask.any() for mask in truth):
        return image
    return (image + aupro(_weighted(maps, weights)[known], np.stack(truth))) / 2


def _weighted(members: Mapping[str, Scores], weights: Weights) -> Scores:
    parts = [members[name] * weight for name, weight in weights]
    return reduce(np.add, parts)
