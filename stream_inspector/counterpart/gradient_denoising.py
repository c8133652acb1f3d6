"""A defective image -> its normal counterpart: gradient denoising (RAN section D, Algorithm 1).

Made for defects only, as evidence: what would this part look like without the defect? A network
or statistics that did not guide it say whether the counterpart convinces.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stream_inspector.counterpart.variants import (
    COUNTERPARTS,
    EDGE,
    NEAR,
    SMOOTH_SHARE,
    USUAL_SHARE,
    CounterpartSettings,
    OnRound,
)
from stream_inspector.diffusion.denoiser import Denoiser, noise_of
from stream_inspector.diffusion.posterior import posterior_mean
from stream_inspector.diffusion.sample import ancestral_step
from stream_inspector.diffusion.schedule import diffuse, respace
from stream_inspector.features import to_images, to_tensor
from stream_inspector.score.distance import worst
from stream_inspector.verdict import Image

Guide = Callable[[Tensor], Tensor]  # images [B, 3, H, W] -> distance maps [B, h, w]; differentiable


def _squares(maps: Tensor) -> Tensor:
    return maps.sum((1, 2))


def _roots(maps: Tensor) -> Tensor:
    # no slope where nothing is inspected, and the distance 0
    return maps.clamp_min(1e-12).sqrt().mean((1, 2))


# Of squared Mahalanobis distances a cell [B, h, w] -> L [B].
DISTANCES: dict[str, Guide] = {
    "squares": _squares,  # as printed: (f - mu)^T Sigma^-1 (f - mu), added up
    "roots": _roots,  # as released: far cells pull no more than near ones
}


def make_counterparts(
    images: Sequence[Image],
    weights: Tensor,
    denoiser: Denoiser,
    size: tuple[int, int],
    settings: CounterpartSettings = COUNTERPARTS["masked"],
    *,
    seed: int = 0,
    guide: Guide | None = None,
    normal: float = -math.inf,
    usual: float = 0.0,
    on_round: OnRound | None = None,
) -> tuple[list[Image], list[int]]:
    """Counterparts of uint8 images [H, W, 3] and the rounds each took.

    The denoiser works at `size`. `weights` [N, 1, H, W] say where an image is anomalous; outside
    it a masked variant changes nothing, and inside only what differs more than is `usual` on good
    images: the rest keeps its fine detail. An image is finished early when `guide` puts it at
    `normal` or nearer.
    """
    full = to_tensor(images).to(weights.device)
    x, weight = _resized(full, size), _resized(weights, size)
    noise = torch.Generator().manual_seed(seed)
    y, rounds = gradient_denoise(
        x, weight, denoiser, settings, noise, guide=guide, normal=normal, on_round=on_round
    )
    change = _resized(y - x, full.shape[2:])
    if not settings.masked:
        return to_images(full + change), rounds
    coarse = _resized(x, full.shape[2:])
    inside = (_resized(weight, full.shape[2:]) > 0) * _clear(change, coarse + change, usual)
    return to_images(full + inside * (coarse + change - full)), rounds


def usual_change(
    images: Sequence[Image],
    denoiser: Denoiser,
    size: tuple[int, int],
    device: torch.device,
    seed: int = 0,
) -> float:
    """How much the masked variant changes good images [H, W, 3] where it may change everything.

    The quantile USUAL_SHARE over their pixels, in [-1, 1]: the network's own error.
    """
    x = _resized(to_tensor(images).to(device), size)
    noise = torch.Generator().manual_seed(seed)
    everywhere = torch.ones_like(x[:, :1])
    y, _ = gradient_denoise(x, everywhere, denoiser, COUNTERPARTS["masked"], noise)
    return float(np.quantile(_nearby(y - x).cpu().numpy(), USUAL_SHARE))


def _clear(change: Tensor, estimate: Tensor, usual: float) -> Tensor:
    """How clearly each pixel changes, [B, 3, H, W] -> [B, 1, H, W] in [0, 1].

    A change counts from `usual` on and fully from twice that. A network errs at edges, so where its
    estimate is smooth a smaller change is clear.
    """
    contrast = (_mean_filter(estimate**2) - _mean_filter(estimate) ** 2).clamp_min(0)
    edge = (contrast.mean(1, keepdim=True).sqrt() / EDGE).clamp(SMOOTH_SHARE, 1)
    return _softened((_nearby(change) / (edge * max(usual, 1e-6)) - 1).clamp(0, 1))


def _nearby(change: Tensor) -> Tensor:
    """Mean absolute change around each pixel, [B, 3, H, W] -> [B, 1, H, W]."""
    return _mean_filter(change.abs().mean(1, keepdim=True))


def _softened(mask: Tensor) -> Tensor:
    """A mask a little larger and without a hard rim."""
    return _mean_filter(functional.max_pool2d(mask, NEAR, 1, NEAR // 2))


def _mean_filter(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, NEAR, 1, NEAR // 2, count_include_pad=False)


def gradient_denoise(
    x: Tensor,
    weight: Tensor,
    denoiser: Denoiser,
    settings: CounterpartSettings,
    generator: torch.Generator,
    *,
    guide: Guide | None = None,
    normal: float = -math.inf,
    on_round: OnRound | None = None,
) -> tuple[Tensor, list[int]]:
    """Algorithm 1 on images [B, 3, h, w] in [-1, 1]; weight [B, 1, h, w] where it may change."""
    if settings.gradient_steps and guide is None:
        raise ValueError("this variant descends a distance: give it a guide")
    bound = denoiser.on(respace(denoiser.schedule, settings.chain))
    rounds, first, noise = torch.zeros(len(x), dtype=torch.int64), x, _drawn(x, generator)
    for number, step in enumerate(settings.steps):
        active = _active(x, guide, normal)
        if not active.any():
            break
        moved = x
        for _ in range(settings.gradient_steps):
            moved = gradient_step(moved, guide, settings) if guide else moved
        moved, found = _denoised(moved, bound, step, settings, noise)
        if settings.masked:
            moved = torch.lerp(first, moved, weight.expand_as(first))
        x = torch.where(active[:, None, None, None], moved, x)
        noise = weight * found + (1 - weight) * noise if settings.carried else _drawn(x, generator)
        rounds += active.cpu()
        if on_round is not None:
            on_round(number, x.detach().cpu().numpy())
    return x, rounds.tolist()


def gradient_step(x: Tensor, guide: Guide, settings: CounterpartSettings) -> Tensor:
    """x <- sqrt(1 - s^2) x - s g, with g the gradient of the distance (Algorithm 1, line 4).

    The paper prints a plus sign there; it descends.
    """
    with torch.enable_grad():
        at = x.detach().clone().requires_grad_()
        (g,) = torch.autograd.grad(DISTANCES[settings.distance](guide(at)).sum(), at)
    if settings.unit_gradient:
        g = g / g.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    return math.sqrt(1 - settings.strength**2) * x - settings.strength * g


@torch.no_grad()
def _denoised(
    x: Tensor, denoiser: Denoiser, step: int, how: CounterpartSettings, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Images after one denoising, and the noise that the network saw in x_t."""
    t = denoiser.schedule.steps(step, len(x))
    x_t = diffuse(denoiser.schedule, x, t, noise) if how.masked else x
    if how.estimate == "sample":
        return ancestral_step(denoiser, x_t, t, noise), noise
    x0 = denoiser(x_t, t).x0
    if how.estimate == "mean":
        return posterior_mean(denoiser.schedule, x0, x_t, t), noise
    return x0, noise_of(denoiser.schedule, x_t, x0, t)


def _drawn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise, the same for all images: none depends on its batch."""
    return torch.randn(x.shape[1:], generator=generator).to(x).expand_as(x)


def _active(x: Tensor, guide: Guide | None, normal: float) -> Tensor:
    if guide is None:
        return torch.ones(len(x), dtype=torch.bool, device=x.device)
    with torch.no_grad():
        return worst(guide(x)) > normal


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(
        x, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    )
