"""Scores in units of the good images' spread, globally and per position.

One rule for all categories: the per-position z-score finds faults on parts that lie alike, the
global one does not punish parts that move. Both views are kept; score/ensemble.py weighs them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FLOOR = 1.0  # of the mean per-position deviation, added to each: few good images, noisy deviations


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Statistics of one member's maps over held-out good images."""

    mean: Tensor  # [h, w]
    deviation: Tensor  # [h, w], floored
    overall: Tensor  # [4]: mean and deviation of the maps, and of the per-position z-scores

    def globally(self, maps: Tensor) -> Tensor:
        """z-score with one mean and deviation, [B, h, w]."""
        return (maps - self.overall[0]) / self.overall[1]

    def per_position(self, maps: Tensor) -> Tensor:
        """z-score with each position's own, brought to the same overall scale, [B, h, w]."""
        return ((maps - self.mean) / self.deviation - self.overall[2]) / self.overall[3]

    def views(self, maps: Tensor) -> Tensor:
        """Both z-scores, [B, h, w] -> [2, B, h, w]."""
        return torch.stack([self.globally(maps), self.per_position(maps)])


def fit_normaliser(maps: Tensor) -> Normaliser:
    """Fit to maps [N, h, w] of at least two held-out good images."""
    mean, spread = maps.mean(0), maps.std(0)
    deviation = (spread + FLOOR * spread.mean()).clamp_min(1e-12)
    z = (maps - mean) / deviation
    parts = (maps.mean(), maps.std().clamp_min(1e-12), z.mean(), z.std().clamp_min(1e-12))
    return Normaliser(mean, deviation, torch.stack(parts))
