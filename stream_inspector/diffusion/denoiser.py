"""One convention for every network: x_t and t in, an estimate of x_0 out.

What the network predicts inside (noise, v, or EDM's preconditioned residual) is written as
x0 = skip * x_t + out * F(inp * x_t, t), so the KL score, the loss and the counterparts need to
know nothing of it.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stream_inspector.diffusion.posterior import Gaussian, learned_log_variance, posterior_mean
from stream_inspector.diffusion.schedule import Schedule, at


class Prediction(NamedTuple):
    """What a denoiser says of x_t: the clean estimate, log variance of x_{t-1}, features."""

    x0: Tensor  # [B, C, H, W]
    log_variance: Tensor | None  # [B, C, H, W]
    features: Tensor | None  # [B, F, h, w]


class Network(Protocol):
    """A U-Net: x [B, C, H, W] at original steps [B] -> (raw [B, C or 2 C, H, W], features).

    Class labels [B] are passed only to a denoiser that was given them.
    """

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raw prediction F (and variance fractions), and the feature head's output."""
        ...


class Scalings(NamedTuple):
    """x0 = skip * x_t + out * F(inp * x_t)."""

    skip: Tensor
    out: Tensor
    inp: Tensor


PARAMETERISATIONS = ("eps", "v", "edm", "x0")


def scalings(kind: str, alpha_bar: Tensor, sigma_data: float = 1.0) -> Scalings:
    """The three factors for a parameterisation.

    eps: Ho et al. 2020; v: Salimans & Ho 2022; edm: Karras et al. 2022, table 1, written for a
    variance-preserving x_t (sigma^2 = (1 - alpha_bar) / alpha_bar); x0: edm's input, but the clean
    sample itself as the target. A small network then need not copy noise through its bottleneck:
    at equal cost its estimates had a fifth of edm's squared error.
    """
    root, sigma = alpha_bar.sqrt(), ((1 - alpha_bar) / alpha_bar).sqrt()
    if kind == "eps":
        return Scalings(1 / root, -sigma, torch.ones_like(root))
    if kind == "v":
        return Scalings(root, -(1 - alpha_bar).sqrt(), torch.ones_like(root))
    total = (sigma**2 + sigma_data**2).sqrt()
    inp = 1 / (root * total)
    if kind == "edm":
        return Scalings(sigma_data**2 / (total**2 * root), sigma * sigma_data / total, inp)
    if kind == "x0":
        return Scalings(torch.zeros_like(root), torch.full_like(root, sigma_data), inp)
    raise ValueError(f"parameterisation {kind!r} is none of {', '.join(PARAMETERISATIONS)}")


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A network bound to a chain, a parameterisation and, if it is told them, class labels.

    `t` counts steps of the bound chain; the network is told the original step. `clip` bounds the
    clean estimate (1.0 for images in [-1, 1], None for features).
    """

    network: Network
    schedule: Schedule
    parameterisation: str = "eps"
    sigma_data: float = 1.0
    clip: float | None = 1.0
    labels: Tensor | None = None  # [B]

    def on(self, schedule: Schedule) -> "Denoiser":
        """The same network on another chain."""
        return replace(self, schedule=schedule)

    def given(self, labels: Tensor | None) -> "Denoiser":
        """The same network told the class labels [B] of the samples it will see."""
        return replace(self, labels=labels)

    def scalings(self, t: Tensor, like: Tensor) -> Scalings:
        """The factors at steps t, shaped for `like`; computed in float64."""
        factors = scalings(self.parameterisation, self.schedule.alpha_bars, self.sigma_data)
        return Scalings(*(at(factor, t, like) for factor in factors))

    def raw(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """F, the variance fraction v (None when not learned) and the features."""
        original = self.schedule.original.to(x_t.device)[t.to(x_t.device)]
        inputs = (self.scalings(t, x_t).inp * x_t, original)
        told = () if self.labels is None else (self.labels.to(x_t.device),)
        output, features = self.network(*inputs, *told)
        channels = x_t.shape[1]
        v = output[:, channels:] if output.shape[1] == 2 * channels else None
        return output[:, :channels], v, features

    def __call__(self, x_t: Tensor, t: Tensor) -> Prediction:
        """Estimate the clean x_0 behind x_t [B, C, H, W] at steps t [B] of the bound chain."""
        skip, out, _ = self.scalings(t, x_t)
        f, v, features = self.raw(x_t, t)
        x0 = skip * x_t + out * f
        if self.clip is not None:
            x0 = x0.clamp(-self.clip, self.clip)
        log_variance = None if v is None else learned_log_variance(self.schedule, v, t)
        return Prediction(x0, log_variance, features)

    def reverse(self, x_t: Tensor, t: Tensor) -> Gaussian:
        """p(x_{t-1} | x_t): the posterior at the estimate, with the learned variance if any."""
        prediction = self(x_t, t)
        log_variance = prediction.log_variance
        if log_variance is None:
            log_variance = at(self.schedule.posterior_log_variance, t, x_t).expand_as(x_t)
        return Gaussian(posterior_mean(self.schedule, prediction.x0, x_t, t), log_variance)


def noise_of(schedule: Schedule, x_t: Tensor, x0: Tensor, t: Tensor) -> Tensor:
    """The noise that separates x_t from a clean x0."""
    alpha_bar = at(schedule.alpha_bars, t, x_t)
    return (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
