"""The KL member on a denoiser whose error is known."""

import math
from dataclasses import replace

import pytest
import torch
from paper_row import CHANNELS, small_paper
from torch import Tensor
from torch.nn.functional import avg_pool2d

from stream_inspector.diffusion.denoiser import Prediction
from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import diffuse, linear_schedule
from stream_inspector.model.assembly import bind, score_schedule
from stream_inspector.presets import Backbone, with_backbone
from stream_inspector.score.kl import kl_maps
from stream_inspector.score.scorer import Scorer, Statistics, draw_noise
from stream_inspector.score.whitening import unchanged

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


class _OnePixelWrong(torch.nn.Module):
    """Predicts the noise of a grey image, but for one pixel."""

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha_bar = linear_schedule().alpha_bars[t].float()[:, None, None, None]
        raw = torch.cat([x / (1 - alpha_bar).sqrt(), torch.full_like(x, -1.0)], 1)
        raw[:, :3, 5, 9] += 1.0
        return raw, torch.zeros(len(x), CHANNELS, 32, 32)


def test_the_papers_row_scores_kl_at_the_networks_own_resolution() -> None:
    """What one pixel shows, a mean over the cells of the feature grid would divide by four."""
    kept = with_backbone(small_paper(), Backbone("any", (1,), CHANNELS))
    found = {}
    for preset in (kept, replace(kept, pooled_kl=True)):
        scorer = Scorer(
            preset,
            bind(preset.pixel, _OnePixelWrong(), 1.0, score_schedule(preset.pixel)),
            [Statistics(unchanged(torch.zeros(1, CHANNELS, 1, 1)), None)],  # type: ignore[arg-type]
            draw_noise(preset, 0),
        )
        labels, features = torch.zeros(1, dtype=torch.int64), torch.ones(1, CHANNELS, 32, 32)
        found[preset.pooled_kl] = scorer.network_maps(torch.zeros(1, 3, 64, 64), features, labels)
    fine, coarse = found[False], found[True]
    assert fine["features"].shape == coarse["kl.50"].shape == (1, 32, 32)
    assert divmod(int(fine["kl.50"].argmax()), 64) == (5, 9)
    torch.testing.assert_close(coarse["kl.50"], avg_pool2d(fine["kl.50"], 2))
    assert float(fine["kl.50"].max()) == pytest.approx(4 * float(coarse["kl.50"].max()), rel=0.01)
    assert torch.equal(fine["features"], torch.ones(1, 32, 32))  # raw features: nothing is whitened
