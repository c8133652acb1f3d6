"""Small random rotations: parts never lie exactly straight (RAN section A: +-5 degrees)."""

import torch
from torch import Tensor
from torch.nn import functional


def rotated(x: Tensor, degrees: Tensor) -> Tensor:
    """Images [B, C, H, W] turned about their centres by `degrees` [B], counter-clockwise.

    What turns in at the corners is the image mirrored at its edge, never black.
    """
    angle = torch.deg2rad(degrees.to(x))
    aspect = x.shape[3] / x.shape[2]
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # rows of the inverse map, in grid_sample's units of half a width and half a height
    across = torch.stack([cosine, -sine / aspect, zero], dim=1)
    down = torch.stack([sine * aspect, cosine, zero], dim=1)
    grid = functional.affine_grid(
        torch.stack([across, down], dim=1), list(x.shape), align_corners=False
    )
    return functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def random_degrees(count: int, most: float, generator: torch.Generator) -> Tensor:
    """Angles drawn uniformly from -most .. most, [count]."""
    return (2 * torch.rand(count, generator=generator) - 1) * most
