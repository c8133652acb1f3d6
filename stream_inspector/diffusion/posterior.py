"""Gaussians of the reverse chain: the true posterior, the learned one, and their KL divergence.

The KL per pixel and channel is the paper's pixel-level score (RAN section B).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from stream_inspector.diffusion.schedule import Schedule, at


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and log variance, broadcastable to [B, C, H, W]."""

    mean: Tensor
    log_variance: Tensor


def clean_weight(schedule: Schedule) -> Tensor:
    """Weight of x_0 in the mean of q(x_{t-1} | x_t, x_0), [T] (Ho et al. 2020, equation 7)."""
    return schedule.alpha_bars_before.sqrt() * schedule.betas / (1 - schedule.alpha_bars)


def posterior_mean(schedule: Schedule, x0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """Mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, equation 7)."""
    before = 1 - schedule.alpha_bars_before
    on_xt = (1 - schedule.betas).sqrt() * before / (1 - schedule.alpha_bars)
    return at(clean_weight(schedule), t, x0) * x0 + at(on_xt, t, x0) * x_t


def posterior(schedule: Schedule, x0: Tensor, x_t: Tensor, t: Tensor) -> Gaussian:
    """q(x_{t-1} | x_t, x_0)."""
    mean = posterior_mean(schedule, x0, x_t, t)
    return Gaussian(mean, at(schedule.posterior_log_variance, t, x0))


def learned_log_variance(schedule: Schedule, v: Tensor, t: Tensor) -> Tensor:
    """Log variance between the posterior's (v = -1) and beta's (v = 1), [B, C, H, W]

    (Nichol & Dhariwal 2021, equation 15, with v scaled to [-1, 1])."""
    low, high = schedule.posterior_log_variance, schedule.betas.log()
    return at((high + low) / 2, t, v) + at((high - low) / 2, t, v) * v


def kl_divergence(p: Gaussian, q: Gaussian) -> Tensor:
    """KL(p || q) of two diagonal Gaussians per element, in nats."""
    log_ratio = q.log_variance - p.log_variance
    squared = (p.mean - q.mean) ** 2 * torch.exp(-q.log_variance)
    return 0.5 * (-1.0 + log_ratio + torch.exp(-log_ratio) + squared)
