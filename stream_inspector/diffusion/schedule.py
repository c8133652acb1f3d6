"""Noise schedules: how much noise step t carries, on the trained chain or a respaced one.

Everything is float64 and indexed by the step of *this* chain; `original` maps it to the step of
the chain the network was trained on (Nichol & Dhariwal 2021, section 4; RAN section A).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, repeat

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Schedule:
    """A Gaussian chain of len(betas) steps; `original[t]` is step t of the trained chain."""

    betas: Tensor  # [T]
    original: Tensor  # [T], int64

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bars(self) -> Tensor:
        """prod(1 - beta): the share of signal variance left at step t, [T]."""
        return torch.cumprod(1 - self.betas, dim=0)

    @cached_property
    def alpha_bars_before(self) -> Tensor:
        """alpha_bars of step t - 1, [T]; 1 before the first step."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bars[:-1]])

    @cached_property
    def posterior_variance(self) -> Tensor:
        """Variance of q(x_{t-1} | x_t, x_0), [T]; 0 at t = 0."""
        return self.betas * (1 - self.alpha_bars_before) / (1 - self.alpha_bars)

    @cached_property
    def posterior_log_variance(self) -> Tensor:
        """Its logarithm, with t = 0 replaced by t = 1, where the variance is not 0."""
        variance = self.posterior_variance
        return torch.cat([variance[1:2], variance[1:]]).log()

    def steps(self, t: int, batch: int) -> Tensor:
        """Step t repeated for a batch, int64 [B]."""
        return torch.full((batch,), t, dtype=torch.int64)


def linear_schedule(steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> Schedule:
    """Betas rising linearly (Ho et al. 2020); the paper uses the defaults."""
    betas = torch.linspace(start, end, steps, dtype=torch.float64)
    return Schedule(betas, torch.arange(steps))


def respace(schedule: Schedule, steps: int) -> Schedule:
    """The same noise levels at `steps` evenly spaced points of the chain, both ends included.

    Positions are added up in double precision, as guided diffusion does: a product rounds to other
    steps at 278 of the lengths up to 1000.
    """
    if steps == len(schedule):
        return schedule
    if not 2 <= steps <= len(schedule):
        raise ValueError(f"respaced steps must be in 2..{len(schedule)}, not {steps}")
    stride = (len(schedule) - 1) / (steps - 1)
    positions = accumulate(repeat(stride, steps - 1), initial=0.0)
    kept = torch.tensor([round(position) for position in positions])
    alpha_bars = schedule.alpha_bars[kept]
    before = torch.cat([torch.ones(1, dtype=torch.float64), alpha_bars[:-1]])
    return Schedule(1 - alpha_bars / before, schedule.original[kept])


def respaced_step(schedule: Schedule, original: int) -> int:
    """The highest step of a chain whose original step is at most `original`."""
    return int((schedule.original <= original).nonzero().max())


def at(values: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """values[t] shaped to broadcast over `like` [B, ...], in its dtype and on its device."""
    picked = values.to(like.device)[t.to(like.device)].to(like.dtype)
    return picked.reshape(-1, *[1] * (like.dim() - 1))


def diffuse(schedule: Schedule, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """A sample of q(x_t | x_0) with the given standard normal noise, [B, C, H, W]."""
    alpha_bar = at(schedule.alpha_bars, t, x0)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
