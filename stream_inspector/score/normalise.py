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
    """Statistics of one member's maps over good images."""

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


def fit_normaliser(trained: Tensor, held_out: Tensor, cells: Tensor | None = None) -> Normaliser:
    """Fit to maps [N, h, w] of good images: places from all, level and scale from the held-out.

    Only the inspected `cells` [h, w] count in what is said of all positions together.

    A deviation per position needs many images. A member scores what it was trained on lower on the
    whole, the more so with few images, so those maps are brought to the held-out ones' level first.
    """
    if cells is None:
        cells = torch.ones(trained.shape[1:], dtype=torch.bool)
    maps = torch.cat([_to_level_of(held_out[:, cells], trained, cells), held_out])
    mean, spread = maps.mean(0), maps.std(0)
    deviation = (spread + FLOOR * spread[cells].mean()).clamp_min(1e-12)
    z = ((maps - mean) / deviation)[:, cells]
    maps = maps[:, cells]
    parts = (maps.mean(), maps.std().clamp_min(1e-12), z.mean(), z.std().clamp_min(1e-12))
    return Normaliser(mean, deviation, torch.stack(parts))


def _to_level_of(target: Tensor, maps: Tensor, cells: Tensor) -> Tensor:
    """The maps with the target's overall mean and deviation on the cells."""
    inside = maps[:, cells]
    scale = target.std() / inside.std().clamp_min(1e-12)
    return (maps - inside.mean()) * scale + target.mean()
