"""KL divergence between the true and the learned posterior: the paper's pixel-level score (B)."""

from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser, Prediction
from stream_inspector.diffusion.posterior import Gaussian, kl_divergence, posterior, posterior_mean
from stream_inspector.diffusion.schedule import at


def kl_maps(denoiser: Denoiser, x0: Tensor, x_t: Tensor, t: Tensor, seen: Prediction) -> Tensor:
    """KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) averaged over channels, [B, H, W] in nats."""
    schedule = denoiser.schedule
    log_variance = seen.log_variance
    if log_variance is None:
        log_variance = at(schedule.posterior_log_variance, t, x_t).expand_as(x_t)
    reverse = Gaussian(posterior_mean(schedule, seen.x0, x_t, t), log_variance)
    return kl_divergence(posterior(schedule, x0, x_t, t), reverse).mean(1)
