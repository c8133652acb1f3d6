import math

import numpy as np
import pytest
import torch

from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import linear_schedule, respace

SCHEDULE = linear_schedule()


def _scalar(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def _gaussian(mean: float, variance: float) -> Gaussian:
    return Gaussian(_scalar(mean), _scalar(math.log(variance)))


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.4, 0.3), (-1.2, 2.5)])
def test_kl_equals_the_numerical_integral(mean: float, variance: float) -> None:
    x = np.linspace(-15, 15, 200_001)
    p = np.exp(-0.5 * (x - 0.2) ** 2 / 0.7) / math.sqrt(2 * math.pi * 0.7)
    q = np.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2 * math.pi * variance)
    expected = np.trapezoid(np.where(p > 0, p * (np.log(p + 1e-300) - np.log(q + 1e-300)), 0), x)
    value = kl_divergence(_gaussian(0.2, 0.7), _gaussian(mean, variance))
    assert float(value) == pytest.approx(float(expected), abs=1e-6)


def test_kl_of_equal_gaussians_is_zero() -> None:
    assert float(kl_divergence(_gaussian(0.3, 0.5), _gaussian(0.3, 0.5))) == pytest.approx(0)


@pytest.mark.parametrize("t", [1, 20, 400, 999])
def test_posterior_is_bayes_rule_on_a_grid(t: int) -> None:
    """q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) q(x_{t-1} | x_0)."""
    x0, x_t, beta = 0.6, -0.3, float(SCHEDULE.betas[t])
    before = float(SCHEDULE.alpha_bars[t - 1])
    grid = np.linspace(-8, 8, 800_001)
    log_density = -((x_t - math.sqrt(1 - beta) * grid) ** 2) / (2 * beta)
    log_density -= (grid - math.sqrt(before) * x0) ** 2 / (2 * (1 - before))
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float((weight * grid).sum())
    variance = float((weight * (grid - mean) ** 2).sum())
    found = posterior(SCHEDULE, _scalar(x0), _scalar(x_t), torch.tensor([t]))
    assert float(found.mean) == pytest.approx(mean, abs=1e-6)
    assert float(found.log_variance.exp()) == pytest.approx(variance, rel=1e-3)


def test_learned_variance_spans_the_posterior_and_beta() -> None:
    t = torch.tensor([300])
    low, middle, high = (
        float(learned_log_variance(SCHEDULE, _scalar(v), t)) for v in (-1.0, 0.0, 1.0)
    )
    assert low == pytest.approx(math.log(SCHEDULE.posterior_variance[300]))
    assert high == pytest.approx(math.log(SCHEDULE.betas[300]))
    assert middle == pytest.approx((low + high) / 2)


def test_posterior_on_the_respaced_chain_is_bayes_rule_between_its_own_steps() -> None:
    """The step from chain step 50 to 49 spans four original steps."""
    short, t, x0, x_t = respace(SCHEDULE, 250), 50, 0.6, -0.3
    now, before = (float(SCHEDULE.alpha_bars[short.original[i]]) for i in (t, t - 1))
    grid = np.linspace(-8, 8, 800_001)
    log_density = -((x_t - math.sqrt(now / before) * grid) ** 2) / (2 * (1 - now / before))
    log_density -= (grid - math.sqrt(before) * x0) ** 2 / (2 * (1 - before))
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float((weight * grid).sum())
    found = posterior(short, _scalar(x0), _scalar(x_t), torch.tensor([t]))
    assert float(found.mean) == pytest.approx(mean, abs=1e-6)
    variance = float((weight * (grid - mean) ** 2).sum())
    assert float(found.log_variance.exp()) == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize(("t", "x0"), [(1, 0.2), (401, -0.7), (999, 0.9)])
def test_the_score_is_the_integral_over_both_posteriors(t: int, x0: float) -> None:
    """KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) by quadrature, with a wrong estimate of x0."""
    x_t, estimate, step = _scalar(0.4), _scalar(0.1), torch.tensor([t])
    p = posterior(SCHEDULE, _scalar(x0), x_t, step)
    log_variance = learned_log_variance(SCHEDULE, _scalar(0.3), step)
    q = Gaussian(posterior_mean(SCHEDULE, estimate, x_t, step), log_variance)
    reach = 12 * math.exp(0.5 * float(p.log_variance))
    x = float(p.mean) + np.linspace(-reach, reach, 200_001)

    def log_density(g: Gaussian) -> np.ndarray:
        variance = math.exp(float(g.log_variance))
        return -0.5 * ((x - float(g.mean)) ** 2 / variance + math.log(2 * math.pi * variance))

    density = np.exp(log_density(p))
    expected = np.trapezoid(density * (log_density(p) - log_density(q)), x)
    assert float(kl_divergence(p, q)) == pytest.approx(float(expected), rel=1e-6, abs=1e-9)
