"""Scores in units of the good images' spread, globally and per position.

One rule for all categories: the per-position z-score finds faults on parts that lie alike, the
global one does not punish parts that move. Both views are kept; score/ensemble.py weighs them.
The z-score of each map over its own pixels, as in the released code, is there to compare with.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.image.view.canvas import View

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


@dataclass(frozen=True, eq=False)
class PerImage:
    """z-score of each map over its own inspected cells (released code of RAN, section B).

    Even a clean image has its maximum several deviations up, and a large defect raises the
    deviation that it is measured in: both cost image AUROC.
    """

    view: View

    def views(self, maps: Tensor) -> Tensor:
        """The only view, [B, h, w] -> [1, B, h, w]."""
        h, w = maps.shape[1:]
        inside = maps[:, torch.from_numpy(self.view.cells((h, w)))]
        deviation = inside.std(1).clamp_min(1e-12)[:, None, None]
        return ((maps - inside.mean(1)[:, None, None]) / deviation)[None]


def fit_normaliser(maps: Tensor, cells: Tensor | None = None) -> Normaliser:
    """Fit to maps [N, h, w] of good images that the member has not seen, or is brought to the level
    of such (`to_level_of`).

    Only the inspected `cells` [h, w] count in what is said of all positions together.
    """
    if cells is None:
        cells = torch.ones(maps.shape[1:], dtype=torch.bool)
    mean, spread = maps.mean(0), maps.std(0)
    deviation = (spread + FLOOR * spread[cells].mean()).clamp_min(1e-12)
    z = ((maps - mean) / deviation)[:, cells]
    maps = maps[:, cells]
    parts = (maps.mean(), maps.std().clamp_min(1e-12), z.mean(), z.std().clamp_min(1e-12))
    return Normaliser(mean, deviation, torch.stack(parts))


def to_level_of(target: Tensor, maps: Tensor, cells: Tensor) -> Tensor:
    """Maps [N, h, w] with the overall mean and deviation on the cells of a target [M, cells].

    A member scores what it was trained on lower on the whole, the more so with few images; how
    places differ is told by all images, and a deviation per position needs many.
    """
    inside = maps[:, cells]
    scale = target.std() / inside.std().clamp_min(1e-12)
    return (maps - inside.mean()) * scale + target.mean()
