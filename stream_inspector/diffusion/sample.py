"""Walking the reverse chain: from x_t to a clean image, with the model's or no randomness."""

import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser, noise_of
from stream_inspector.diffusion.schedule import diffuse


def ancestral_step(denoiser: Denoiser, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """A sample of p(x_{t-1} | x_t) with the given standard normal noise; the mean at t = 0."""
    mean, log_variance = denoiser.reverse(x_t, t)
    inside = (t > 0).reshape(-1, *[1] * (x_t.dim() - 1)).to(x_t)
    return mean + inside * torch.exp(0.5 * log_variance) * noise


def ddim_step(denoiser: Denoiser, x_t: Tensor, t: Tensor, before: Tensor) -> Tensor:
    """The deterministic step from t to an earlier step `before` (Song et al. 2021, eta = 0)."""
    x0 = denoiser(x_t, t).x0
    noise = noise_of(denoiser.schedule, x_t, x0, t)
    return diffuse(denoiser.schedule, x0, before, noise)


def sample(denoiser: Denoiser, x_t: Tensor, start: int, generator: torch.Generator) -> Tensor:
    """Run the chain from step `start` down to a clean sample, [B, C, H, W]."""
    for t in range(start, -1, -1):
        steps = denoiser.schedule.steps(t, len(x_t))
        noise = torch.randn(x_t.shape, generator=generator).to(x_t)
        x_t = ancestral_step(denoiser, x_t, steps, noise)
    return x_t


def ddim(denoiser: Denoiser, x_t: Tensor, start: int) -> Tensor:
    """The chain from step `start` down without randomness, [B, C, H, W]."""
    for t in range(start, 0, -1):
        now, before = (denoiser.schedule.steps(step, len(x_t)) for step in (t, t - 1))
        x_t = ddim_step(denoiser, x_t, now, before)
    return denoiser(x_t, denoiser.schedule.steps(0, len(x_t))).x0
