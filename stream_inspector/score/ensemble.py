"""From normalised members to one map, and from a map to the image score (RAN section D)."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def weighted_mean(maps: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The members' maps averaged with their weights; alpha of the paper for two members."""
    total = sum(weights.values())
    return torch.stack([maps[name] * (weight / total) for name, weight in weights.items()]).sum(0)


def enlarge(maps: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Bilinear enlargement [B, h, w] -> [B, H, W], then a Gaussian blur of sigma pixels."""
    x = functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)
    return _blur(x, sigma)[:, 0] if sigma > 0 else x[:, 0]


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of [B, 1, H, W], cut at 3 sigma, borders replicated."""
    radius = int(3 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(x, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel[None, None, :, None])
    return functional.conv2d(rows, kernel[None, None, None, :])


def image_scores(maps: Tensor, top: int) -> Tensor:
    """Mean of the `top` largest pixels of each map, [B, H, W] -> float64 [B]."""
    flat = maps.flatten(1)
    return flat.topk(min(top, flat.shape[1]), dim=1).values.double().mean(1)
