"""The noise level of one score step as numbers: what a graph computes with instead of a chain."""

from dataclasses import dataclass

import numpy as np

from stream_inspector.presets import CHAIN


@dataclass(frozen=True, slots=True)
class Level:
    """Of a step on the trained chain of linear betas (Ho et al. 2020)."""

    alpha_bar: float  # share of signal variance
    beta: float
    posterior_log_variance: float  # of q(x_{t-1} | x_t, x_0)
    clean_weight: float  # of x_0 in its mean


def level(step: int) -> Level:
    """The level of a step, 1 or above, as diffusion/schedule.py has it."""
    betas = np.linspace(1e-4, 0.02, CHAIN)
    bars = np.cumprod(1 - betas)
    beta, bar, before = betas[step], bars[step], bars[step - 1]
    return Level(
        float(bar),
        float(beta),
        float(np.log(beta * (1 - before) / (1 - bar))),
        float(np.sqrt(before) * beta / (1 - bar)),
    )


def scalings(kind: str, alpha_bar: float, sigma_data: float) -> tuple[float, float, float]:
    """skip, out and inp of x0 = skip * x_t + out * F(inp * x_t), as in diffusion/denoiser.py."""
    root, sigma = alpha_bar**0.5, ((1 - alpha_bar) / alpha_bar) ** 0.5
    total = (sigma**2 + sigma_data**2) ** 0.5
    inp = 1 / (root * total)
    return {
        "eps": (1 / root, -sigma, 1.0),
        "v": (root, -((1 - alpha_bar) ** 0.5), 1.0),
        "edm": (sigma_data**2 / (total**2 * root), sigma * sigma_data / total, inp),
        "x0": (0.0, sigma_data, inp),
    }[kind]
