"""Mahalanobis distance to a Gaussian of the features at each position (PaDiM; RAN section D).

Blocks of positions share a Gaussian fitted with a margin around them, which costs little, keeps
the artefact small and forgives parts that do not lie exactly alike. It also guides the
counterparts, so `maps` is differentiable.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stream_inspector.image.view.tiles import inspected
from stream_inspector.presets import GaussianPlan


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Mean and inverse Cholesky factor per block, of features divided by `scale`."""

    scale: Tensor  # [C], standard deviation of each channel
    mean: Tensor  # [T, bh, bw, C] for T tiles
    factor: Tensor  # [T, bh, bw, C, C], lower triangular L^-1 with L L^T the covariance

    def maps(self, features: Tensor) -> Tensor:
        """Mean squared distance per channel, [B, C, h, w] -> [B, h, w].

        With several tiles B counts tiles: all of one image, then all of the next.
        """
        b, c, h, w = features.shape
        tiles, rows, columns = self.mean.shape[:3]
        f = (features / self.scale[:, None, None]).reshape(
            b // tiles, tiles, c, rows, h // rows, columns, w // columns
        )
        f = f.permute(1, 3, 5, 2, 0, 4, 6).reshape(tiles, rows, columns, c, -1)
        distance = (self.factor @ (f - self.mean[..., None])).square().mean(3)
        blocks = distance.reshape(tiles, rows, columns, b // tiles, h // rows, w // columns)
        return blocks.permute(3, 0, 1, 4, 2, 5).reshape(b, h, w)


def fit_gaussians(features: Tensor, plan: GaussianPlan, cells: Tensor | None = None) -> Gaussians:
    """Fit to good features [N, C, h, w]; h and w must divide by plan.block.

    `cells` [T, h, w] says which are inspected, tile by tile; features then come as [N * T, ...].
    """
    c, h, w = features.shape[1:]
    cells = torch.ones(1, h, w, dtype=torch.bool) if cells is None else cells
    tiles = features.reshape(-1, *cells.shape[:1], c, h, w)
    scale = inspected(features, cells).std(0).clamp_min(1e-6)
    gaussians = [
        _gaussian(tiles[:, tile, :, rows, columns], cells[tile, rows, columns], scale, plan.shrink)
        for tile in range(len(cells))
        for rows, columns in _windows(h, w, plan)
    ]
    blocks = (len(cells), h // plan.block, w // plan.block)
    return Gaussians(
        scale,
        torch.stack([mean for mean, _ in gaussians]).reshape(*blocks, c),
        torch.stack([factor for _, factor in gaussians]).reshape(*blocks, c, c),
    )


def _gaussian(window: Tensor, cells: Tensor, scale: Tensor, shrink: float) -> tuple[Tensor, Tensor]:
    """Mean and inverse factor of the inspected cells [h, w] of a window [N, C, h, w]."""
    if not cells.any():  # never asked for: its scores do not count
        return torch.zeros_like(scale), torch.eye(len(scale))
    flat = window.movedim(1, -1)[:, cells].reshape(-1, len(scale)) / scale
    covariance = torch.cov(flat.T, correction=0)
    return flat.mean(0), inverse_factor((1 - shrink) * covariance + shrink * torch.eye(len(scale)))


def _windows(h: int, w: int, plan: GaussianPlan) -> list[tuple[slice, slice]]:
    """Every block with its margin, cut at the border, row by row."""
    if h % plan.block or w % plan.block:
        raise ValueError(f"blocks of {plan.block} do not divide a grid of {h} x {w}")
    return [
        (_widened(y, plan), _widened(x, plan))
        for y in range(0, h, plan.block)
        for x in range(0, w, plan.block)
    ]


def _widened(start: int, plan: GaussianPlan) -> slice:
    return slice(max(0, start - plan.margin), start + plan.block + plan.margin)


def inverse_factor(covariance: Tensor) -> Tensor:
    """L^-1 [C, C] of the Cholesky factorisation L L^T."""
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
