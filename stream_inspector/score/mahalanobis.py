"""Mahalanobis distance to a Gaussian of the features at each position (PaDiM; RAN section D).

Blocks of positions share a Gaussian fitted with a margin around them, which costs little, keeps
the artefact small and forgives parts that do not lie exactly alike. It also guides the
counterparts, so `maps` is differentiable.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stream_inspector.presets import GaussianPlan


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Mean and inverse Cholesky factor per block, of features divided by `scale`."""

    scale: Tensor  # [C], standard deviation of each channel
    mean: Tensor  # [bh, bw, C]
    factor: Tensor  # [bh, bw, C, C], lower triangular L^-1 with L L^T the covariance

    def maps(self, features: Tensor) -> Tensor:
        """Mean squared distance per channel, [B, C, h, w] -> [B, h, w]."""
        b, c, h, w = features.shape
        rows, columns = self.mean.shape[:2]
        f = (features / self.scale[:, None, None]).reshape(
            b, c, rows, h // rows, columns, w // columns
        )
        f = f.permute(2, 4, 1, 0, 3, 5).reshape(rows, columns, c, -1)
        distance = (self.factor @ (f - self.mean[..., None])).square().mean(2)
        blocks = distance.reshape(rows, columns, b, h // rows, w // columns)
        return blocks.permute(2, 0, 3, 1, 4).reshape(b, h, w)


def fit_gaussians(features: Tensor, plan: GaussianPlan) -> Gaussians:
    """Fit to good features [N, C, h, w]; h and w must divide by plan.block."""
    c = features.shape[1]
    scale = features.std(dim=(0, 2, 3)).clamp_min(1e-6)
    mean, factor = [], []
    for window in _windows(features, plan):
        flat = window.movedim(1, -1).reshape(-1, c) / scale
        covariance = torch.cov(flat.T, correction=0)
        shrunk = (1 - plan.shrink) * covariance + plan.shrink * torch.eye(c)
        mean.append(flat.mean(0))
        factor.append(_inverse_factor(shrunk))
    rows, columns = (side // plan.block for side in features.shape[2:])
    return Gaussians(
        scale,
        torch.stack(mean).reshape(rows, columns, c),
        torch.stack(factor).reshape(rows, columns, c, c),
    )


def _windows(features: Tensor, plan: GaussianPlan) -> list[Tensor]:
    """Every block with its margin, cut at the border, row by row."""
    h, w = features.shape[2:]
    if h % plan.block or w % plan.block:
        raise ValueError(f"blocks of {plan.block} do not divide a grid of {h} x {w}")
    return [
        features[
            :,
            :,
            max(0, y - plan.margin) : y + plan.block + plan.margin,
            max(0, x - plan.margin) : x + plan.block + plan.margin,
        ]
        for y in range(0, h, plan.block)
        for x in range(0, w, plan.block)
    ]


def _inverse_factor(covariance: Tensor) -> Tensor:
    """L^-1 of the Cholesky factorisation L L^T."""
    lower = torch.linalg.cholesky(covariance)
    identity = torch.eye(len(covariance), dtype=covariance.dtype)
    inverse: Tensor = torch.linalg.solve_triangular(lower, identity, upper=False)
    return inverse


def pack_triangles(factor: Tensor) -> Tensor:
    """Lower triangles [..., C, C] -> [..., C (C + 1) / 2]: half the bytes."""
    rows, columns = torch.tril_indices(factor.shape[-1], factor.shape[-1])
    packed: Tensor = factor[..., rows, columns]
    return packed


def unpack_triangles(packed: Tensor) -> Tensor:
    """The inverse of `pack_triangles`."""
    c = int(((8 * packed.shape[-1] + 1) ** 0.5 - 1) / 2)
    rows, columns = torch.tril_indices(c, c)
    full = packed.new_zeros(*packed.shape[:-1], c, c)
    full[..., rows, columns] = packed
    return full


def pooled(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average maps [B, H, W] over the cells of a coarser grid, [B, h, w]."""
    if maps.shape[1:] == grid:
        return maps
    return functional.adaptive_avg_pool2d(maps[:, None], grid)[:, 0]
