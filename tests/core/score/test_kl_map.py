"""The KL member on a denoiser whose error is known."""

import math

import pytest
import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Prediction
from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import diffuse, linear_schedule
from stream_inspector.score.kl import kl_maps

SCHEDULE = linear_schedule()
X0 = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
T = torch.tensor([200])


def _maps(estimate: Tensor, log_variance: Tensor | None) -> Tensor:
    return kl_maps(SCHEDULE, X0, T, Prediction(estimate, log_variance, None))


def test_a_perfect_estimate_scores_zero() -> None:
    torch.testing.assert_close(_maps(X0, None), torch.zeros(1, 3, 3, dtype=torch.float64))


def test_an_error_scores_its_weighted_square_where_it_is() -> None:
    """With the posterior's variance: 0.5 w^2 error^2 / variance, w the weight of x0 in the mean."""
    wrong = X0.clone()
    wrong[0, :, 1, 2] = 0.3
    b, a, before = (
        float(values[200])
        for values in (SCHEDULE.betas, SCHEDULE.alpha_bars, SCHEDULE.alpha_bars_before)
    )
    weight = before**0.5 * b / (1 - a)
    expected = 0.5 * (weight * 0.3) ** 2 / float(SCHEDULE.posterior_variance[200])
    found = _maps(wrong, None)[0]
    assert float(found[1, 2]) == pytest.approx(expected)
    assert float(found.sum()) == pytest.approx(expected)


def test_a_learned_variance_is_the_second_of_the_divergence() -> None:
    """KL(q || p) with p wider by e^2: 0.5 (-1 + 2 + e^-2 + error^2 / (e^2 variance))."""
    narrow = float(SCHEDULE.posterior_variance[200])
    wide = torch.full_like(X0, math.log(narrow) + 2)
    expected = 0.5 * (-1 + 2 + math.exp(-2))
    assert float(_maps(X0, wide).mean()) == pytest.approx(expected)
    error = float(_maps(X0 + 0.9, None).mean()) * math.exp(-2)
    assert float(_maps(X0 + 0.9, wide).mean()) == pytest.approx(expected + error)


def test_it_is_the_divergence_of_the_two_gaussians_at_every_step() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, estimate, noise, v = torch.randn(4, 3, 2, 5, 4, 4, dtype=torch.float64, generator=generator)
    t = torch.tensor([0, 20, 900])
    x_t = diffuse(SCHEDULE, x0, t, noise)
    log_variance = learned_log_variance(SCHEDULE, v, t)
    reverse = Gaussian(posterior_mean(SCHEDULE, estimate, x_t, t), log_variance)
    expected = kl_divergence(posterior(SCHEDULE, x0, x_t, t), reverse).mean(2)
    found = kl_maps(SCHEDULE, x0, t, Prediction(estimate, log_variance, None))
    torch.testing.assert_close(found, expected)
