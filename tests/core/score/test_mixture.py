import numpy as np
import pytest
import torch

from stream_inspector.presets import MixturePlan
from stream_inspector.score.mixture import LEAST, Mixture, fit_mixture, k_means, nearest


def _two_kinds(images: int, seed: int) -> torch.Tensor:
    """Features [N, 3, 6, 6] of two kinds, each stretched its own way, at random places."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.rand(images, 1, 6, 6, generator=generator) < 0.5
    noise = torch.randn(images, 3, 6, 6, generator=generator)
    wide, high = torch.tensor([[3.0, 0.5, 1.0], [0.5, 3.0, 1.0]])[:, :, None, None]
    return torch.where(kind, wide * noise, high * noise + 20)


GOOD = _two_kinds(60, seed=0)


def test_energy_is_the_likelihood_of_the_best_component() -> None:
    """min over k of d^T Sigma_k^-1 d + log det Sigma_k, per channel, above the least det."""
    mixture = fit_mixture(GOOD, MixturePlan(3, 0.1), seed=0)
    x = (GOOD[4, :, 2, 5] / mixture.scale).double().numpy()
    expected, volumes = [], []
    for mean, factor in zip(mixture.mean.double(), mixture.factor.double(), strict=True):
        precision = (factor.T @ factor).numpy()
        d = x - mean.numpy()
        volumes.append(-np.linalg.slogdet(precision)[1] / 3)
        expected.append(d @ precision @ d / 3 + volumes[-1])
    found = mixture.maps(GOOD)
    assert found.shape == (60, 6, 6)
    assert float(found[4, 2, 5]) == pytest.approx(min(expected) - min(volumes), rel=1e-3)


def test_the_covariance_of_one_component_is_shrunk_to_the_identity() -> None:
    mixture = fit_mixture(GOOD, MixturePlan(1, 0.3), seed=0)
    flat = (GOOD / mixture.scale[:, None, None]).movedim(1, -1).reshape(-1, 3).numpy()
    expected = 0.7 * np.cov(flat.T, bias=True) + 0.3 * np.eye(3)
    factor = mixture.factor[0].numpy()
    np.testing.assert_allclose(np.linalg.inv(factor.T @ factor), expected, rtol=1e-3, atol=1e-4)


def test_a_feature_between_the_kinds_stands_out() -> None:
    """One Gaussian of everything calls the middle of two kinds normal; a mixture does not."""
    between = torch.full((1, 3, 6, 6), 10.0)
    mixture = fit_mixture(GOOD, MixturePlan(4, 0.01), seed=0)
    single = fit_mixture(GOOD, MixturePlan(1, 0.01), seed=0)
    normal = _two_kinds(20, seed=1)
    assert float(mixture.maps(between).mean()) > float(mixture.maps(normal).max())
    assert float(single.maps(between).mean()) < float(single.maps(normal).mean())


def test_the_place_does_not_matter() -> None:
    mixture = fit_mixture(GOOD, MixturePlan(4, 0.2), seed=0)
    moved = GOOD.roll((2, 3), dims=(2, 3))
    torch.testing.assert_close(mixture.maps(moved), mixture.maps(GOOD).roll((2, 3), dims=(1, 2)))


def test_a_component_counts_only_near_where_it_was_seen() -> None:
    """The same feature is good on the right and odd on the left."""
    features = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.1
    features[..., 4:] += 5
    anywhere, near = (
        fit_mixture(features, MixturePlan(2, 0.2, place), seed=0) for place in (None, 1)
    )
    moved = features[:1].clone()
    moved[:, :, 2, 0] = moved[:, :, 2, 7]
    assert float(anywhere.maps(moved)[0, 2, 0]) < 3
    assert float(near.maps(moved)[0, 2, 0]) > 10
    torch.testing.assert_close(near.maps(features), anywhere.maps(features))


def test_only_inspected_cells_teach() -> None:
    """Two tiles an image; what lies outside the view may be anything."""
    cells = torch.ones(2, 6, 6, dtype=torch.bool)
    cells[1, :, 3:] = False
    spoilt = GOOD.reshape(-1, 2, 3, 6, 6).clone()
    spoilt[:, 1, :, :, 3:] = 1e3
    fitted = [
        fit_mixture(features, MixturePlan(2, 0.2), seed=0, cells=cells)
        for features in (GOOD, spoilt.reshape(GOOD.shape))
    ]
    for name in ("scale", "mean", "factor"):
        assert torch.equal(getattr(fitted[0], name), getattr(fitted[1], name))


def test_few_features_make_few_components() -> None:
    few = GOOD[: 3 * LEAST // 36 + 1]
    assert 3 <= len(fit_mixture(few, MixturePlan(256, 0.2), seed=0).mean) <= 4
    assert len(fit_mixture(few[:1], MixturePlan(256, 0.2), seed=0).mean) == 1


def test_the_energy_guides_back_to_good_features() -> None:
    mixture = fit_mixture(GOOD, MixturePlan(2, 0.2), seed=0)
    with torch.inference_mode():
        mixture.maps(GOOD[:1])  # a detector has scored before
    x = (GOOD[:1] * 2 + 5).requires_grad_()
    before = mixture.maps(x).sum()
    (gradient,) = torch.autograd.grad(before, x)
    assert float(mixture.maps(x - 0.01 * gradient).sum()) < float(before)


def test_k_means_finds_separate_groups() -> None:
    x = torch.cat([torch.randn(50, 2) + centre for centre in (0.0, 100.0, 200.0)])
    x = x[torch.tensor([0, 60, 120, *(i for i in range(150) if i not in {0, 60, 120})])]
    mean, cluster = k_means(x, 3)
    assert mean.mean(1).round(decimals=-1).tolist() == [0, 100, 200]
    assert torch.bincount(cluster).tolist() == [50, 50, 50]


def test_a_cluster_without_features_keeps_its_mean() -> None:
    """All features are equal: one cluster takes them, and nothing becomes NaN."""
    x = torch.ones(2 * LEAST, 3)
    mean, cluster = k_means(x, 2)
    assert torch.equal(mean, x[:2])
    assert len(cluster.unique()) == 1
    mixture = fit_mixture(x.T.reshape(1, 3, 8, -1), MixturePlan(2, 0.2), seed=0)
    assert torch.isfinite(mixture.factor).all()


def test_nearest_are_the_nearest() -> None:
    x, points = torch.randn(40, 5), torch.randn(7, 5)
    expected = torch.cdist(x, points).argsort(dim=1)
    assert torch.equal(nearest(x, points, 3), expected[:, :3])
    assert nearest(x, points, 9).shape == (40, 7)


def test_volumes_are_above_the_smallest() -> None:
    factor = torch.stack([torch.eye(3), torch.eye(3) / 2])
    mixture = Mixture(torch.ones(3), torch.zeros(2, 3), factor)
    assert mixture.log_volume.tolist() == pytest.approx([0, 2 * np.log(2)])
