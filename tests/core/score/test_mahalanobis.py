import numpy as np
import pytest
import torch

from stream_inspector.presets import GaussianPlan
from stream_inspector.score.mahalanobis import (
    fit_gaussians,
    pack_triangles,
    pooled,
    unpack_triangles,
)

FEATURES = torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor(
    [1.0, 5.0, 0.2]
).reshape(3, 1, 1)


@pytest.mark.parametrize("plan", [GaussianPlan(1, 0, 0.2), GaussianPlan(2, 1, 0.1)])
def test_distance_equals_the_explicit_inverse(plan: GaussianPlan) -> None:
    """(f - mu)^T Sigma^-1 (f - mu) / C, the slow way, at one position."""
    y, x, c = 3, 1, 3
    scale = FEATURES.std(dim=(0, 2, 3))
    standard = (FEATURES / scale[:, None, None]).numpy()
    top, left = (plan.block * (i // plan.block) for i in (y, x))
    rows = slice(max(0, top - plan.margin), top + plan.block + plan.margin)
    columns = slice(max(0, left - plan.margin), left + plan.block + plan.margin)
    samples = np.moveaxis(standard[:, :, rows, columns], 1, -1).reshape(-1, c)
    covariance = (1 - plan.shrink) * np.cov(samples.T, bias=True) + plan.shrink * np.eye(c)
    d = standard[7, :, y, x] - samples.mean(0)
    expected = d @ np.linalg.inv(covariance) @ d / c
    found = fit_gaussians(FEATURES, plan).maps(FEATURES)
    assert found.shape == (40, 4, 4)
    assert float(found[7, y, x]) == pytest.approx(expected, rel=1e-3)


def test_positions_have_their_own_mean() -> None:
    features = FEATURES.clone()
    features[:, :, 0, 0] += 50
    found = fit_gaussians(features, GaussianPlan(1, 0, 0.2)).maps(features)
    assert float(found[:, 0, 0].mean()) < 1.0


def test_the_distance_guides_back_to_the_mean() -> None:
    gaussians = fit_gaussians(FEATURES, GaussianPlan(2, 0, 0.2))
    f = (FEATURES[:1] * 3).requires_grad_()
    before = gaussians.maps(f).sum()
    (gradient,) = torch.autograd.grad(before, f)
    assert float(gaussians.maps(f - 0.01 * gradient).sum()) < float(before)


def test_blocks_must_divide_the_grid() -> None:
    with pytest.raises(ValueError, match="blocks of 3 do not divide a grid of 4 x 4"):
        fit_gaussians(FEATURES, GaussianPlan(3, 0, 0.2))


def test_packing_keeps_the_triangle() -> None:
    factor = torch.randn(2, 2, 5, 5).tril()
    packed = pack_triangles(factor)
    assert packed.shape == (2, 2, 15)
    assert torch.equal(unpack_triangles(packed), factor)


def test_pooling_averages_cells() -> None:
    maps = torch.arange(16.0).reshape(1, 4, 4)
    assert pooled(maps, (2, 2)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert pooled(maps, (4, 4)) is maps
