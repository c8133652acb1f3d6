"""KL divergence between the true and the learned posterior: the paper's pixel-level score (B)."""

import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Prediction
from stream_inspector.diffusion.posterior import clean_weight
from stream_inspector.diffusion.schedule import Schedule, at


def kl_maps(schedule: Schedule, x0: Tensor, t: Tensor, seen: Prediction) -> Tensor:
    """KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) averaged over channels, in nats.

    x0 and the estimate are [B, C, H, W] with steps t [B], or several steps' [T, B, C, H, W] with
    t [T]; the maps are without the C.

    Both means weigh x_t alike, so that it cancels: with u the log ratio of the variances,
    KL = (u - 1 + exp(-u) (1 + w^2 / b~ (x0 - x0^)^2)) / 2, a third of the work of two Gaussians.
    """
    true = schedule.posterior_log_variance
    squared = (seen.x0 - x0).square() * at(
        clean_weight(schedule).square() * torch.exp(-true), t, x0
    )
    if seen.log_variance is None:
        return squared.mean(-3) / 2
    log_ratio = seen.log_variance - at(true, t, x0)
    return (log_ratio - 1 + torch.exp(-log_ratio) * (1 + squared)).mean(-3) / 2
