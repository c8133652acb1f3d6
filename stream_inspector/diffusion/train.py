"""Training a denoiser: the paper's loss, AdamW with annealed rate, averaged weights, fixed seed.

Loss a sample (RAN section A): squared error of the network's own target, the variational bound
with its mean stopped (it trains the variance alone; Nichol & Dhariwal 2021, section 3.1), and the
squared error of the feature head.
"""

import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.presets import TrainingPlan


class Batch(NamedTuple):
    """Clean samples and, when the network has a feature head, their frozen features."""

    x0: Tensor  # [B, C, H, W]
    features: Tensor | None  # [B, F, h, w]


class Losses(NamedTuple):
    """The three terms, each averaged over the batch."""

    target: Tensor
    bound: Tensor
    features: Tensor

    def total(self, plan: TrainingPlan) -> Tensor:
        """Their weighted sum."""
        weighted = plan.bound_weight * self.bound + plan.feature_weight * self.features
        return self.target + weighted


def losses(denoiser: Denoiser, batch: Batch, t: Tensor, noise: Tensor) -> Losses:
    """The loss terms of clean samples noised to steps t [B] of the denoiser's chain.

    At t = 0 the bound is the same divergence with the variance of t = 1, in place of a discrete
    likelihood, which features do not have.
    """
    x0, zero = batch.x0, batch.x0.new_zeros(())
    x_t = diffuse(denoiser.schedule, x0, t, noise)
    scale = denoiser.scalings(t, x0)
    f, v, features = denoiser.raw(x_t, t)
    target = ((x0 - scale.skip * x_t) / scale.out - f).square().mean()
    bound, feature_loss = zero, zero
    if v is not None:
        estimate = (scale.skip * x_t + scale.out * f).detach()
        mean = posterior_mean(denoiser.schedule, estimate, x_t, t)
        reverse = Gaussian(mean, learned_log_variance(denoiser.schedule, v, t))
        bound = kl_divergence(posterior(denoiser.schedule, x0, x_t, t), reverse).mean()
    if features is not None and batch.features is not None:
        feature_loss = (features - batch.features).square().mean()
    return Losses(target, bound, feature_loss)


class Average:
    """Exponential moving average of a network's weights, warmed up so that short runs profit."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay, self.updates = copy.deepcopy(network), decay, 0
        self.network.requires_grad_(requires_grad=False).eval()

    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            pairs = zip(self.network.parameters(), network.parameters(), strict=True)
            for average, present in pairs:
                average.lerp_(present, 1 - decay)


def train(
    network: nn.Module,
    bind: Callable[[nn.Module], Denoiser],
    batches: Iterator[Batch],
    plan: TrainingPlan,
    *,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
) -> nn.Module:
    """Train in place for plan.iterations; return the averaged network. Deterministic by seed."""
    network.train()
    denoiser, average = bind(network), Average(network, plan.ema)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    for step in range(plan.iterations):
        batch = next(batches)
        low, high = plan.steps
        t = torch.randint(low, high + 1, (len(batch.x0),), generator=generator)
        noise = torch.randn(batch.x0.shape, generator=generator)
        loss = losses(denoiser, batch, t, noise).total(plan)
        _descend(network, optimiser, loss, plan, step)
        average.update(network)
        on_step(step + 1, float(loss.detach()))
    return average.network


def _descend(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Tensor,
    plan: TrainingPlan,
    step: int,
) -> None:
    for group in optimiser.param_groups:
        group["lr"] = plan.learning_rate * (1 - step / plan.iterations)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
    nn.utils.clip_grad_norm_(network.parameters(), plan.clip_norm)
    optimiser.step()
