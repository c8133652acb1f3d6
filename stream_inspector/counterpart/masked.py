"""The masked variant on arrays, as `gradient_denoising` computes it: it descends no distance, so an
estimate of the clean image is all that it needs; no PyTorch.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from stream_inspector.counterpart.variants import (
    EDGE,
    NEAR,
    SMOOTH_SHARE,
    Array,
    CounterpartSettings,
    OnRound,
    box_mean,
)
from stream_inspector.engine.graph.matrices import antialiased
from stream_inspector.engine.graph.noise import level
from stream_inspector.image.planes import from_planes, to_planes
from stream_inspector.verdict import Image

Size = tuple[int, int]
Estimate = Callable[[Array, int], Array]  # x_t [B, 3, h, w] and its step -> the clean image

_SOFT = NEAR // 2


def without_defects(
    images: Sequence[Image],
    weights: Array,
    estimate: Estimate,
    size: Size,
    settings: CounterpartSettings,
    *,
    seed: int = 0,
    usual: float = 0.0,
    on_round: OnRound | None = None,
) -> list[Image]:
    """See `gradient_denoising.make_counterparts`; weights [N, 1, H, W]."""
    full = to_planes(images)
    x, weight = resized(full, size), resized(weights, size)
    noise = np.random.default_rng(seed).standard_normal(x.shape[1:], np.float32)
    y = denoised(x, weight, estimate, settings, noise=noise, on_round=on_round)
    whole = (full.shape[2], full.shape[3])
    change, coarse = resized(y - x, whole), resized(x, whole)
    inside = (resized(weight, whole) > 0) * _clear(change, coarse + change, usual)
    return from_planes(full + inside * (coarse + change - full))


def denoised(
    x: Array,
    weight: Array,
    estimate: Estimate,
    settings: CounterpartSettings,
    *,
    noise: Array,
    on_round: OnRound | None = None,
) -> Array:
    """Images [B, 3, h, w] after all rounds; noise [3, h, w] is what all of them begin with."""
    first = x
    for number, step in enumerate(settings.steps):
        bar = level(step).alpha_bar
        signal, spread = bar**0.5, (1 - bar) ** 0.5
        x_t = signal * x + spread * noise
        clean = estimate(x_t, step)
        x = first + weight * (clean - first)
        noise = weight * ((x_t - signal * clean) / spread) + (1 - weight) * noise
        if on_round is not None:
            on_round(number, x)
    return x


def resized(x: Array, size: Size) -> Array:
    """[..., H, W] at another size: linear, antialiased where it shrinks."""
    (h, w), (to_h, to_w) = x.shape[-2:], size
    if (h, w) == size:
        return x
    return np.asarray(antialiased(h, to_h) @ x @ antialiased(w, to_w).T)


def _clear(change: Array, estimate: Array, usual: float) -> Array:
    """See `gradient_denoising._clear`."""
    contrast = box_mean(estimate**2, _SOFT) - box_mean(estimate, _SOFT) ** 2
    deviation = np.sqrt(contrast.clip(0, None).mean(1, keepdims=True))
    edge = (deviation / EDGE).clip(SMOOTH_SHARE, 1)
    nearby = box_mean(np.abs(change).mean(1, keepdims=True), _SOFT)
    mask = (nearby / (edge * max(usual, 1e-6)) - 1).clip(0, 1)
    larger = ndimage.maximum_filter(mask, (1, 1, NEAR, NEAR), mode="constant")
    return box_mean(larger, _SOFT)
