import pytest
import torch

from stream_inspector.baselines.padim import CHANNELS, EPSILON, fit_padim


def _good(count: int = 30, channels: int = 6, seed: int = 0) -> torch.Tensor:
    """Features [N, C, 4, 4] whose mean and spread differ from place to place."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(channels, 4, 4, generator=torch.Generator().manual_seed(99))
    return places + (1 + places.abs()) * torch.randn(count, channels, 4, 4, generator=generator)


def test_it_is_the_mahalanobis_distance_at_each_position() -> None:
    good, query = _good(), _good(2, seed=1)
    maps = fit_padim(good, 0, channels=None, pool=False).score(query).maps
    at = good[:, :, 1, 3]
    gap = query[1, :, 1, 3] - at.mean(0)
    covariance = torch.cov(at.T) + EPSILON * torch.eye(6)
    expected = (gap @ torch.linalg.inv(covariance) @ gap).sqrt()
    assert maps.shape == (2, 4, 4)
    assert float(maps[1, 1, 3]) == pytest.approx(float(expected), rel=1e-4)


def test_pooling_looks_at_the_neighbours() -> None:
    good, query = _good(), _good(1, seed=1)
    spoiled = query.clone()
    spoiled[0, :, 0, 0] += 50
    changed = {
        pool: (
            fit_padim(good, 0, pool=pool).score(spoiled).maps
            != fit_padim(good, 0, pool=pool).score(query).maps
        )[0]
        for pool in (True, False)
    }
    assert int(changed[False].sum()) == 1
    assert int(changed[True].sum()) == 4


def test_channels_are_drawn_by_seed() -> None:
    good = _good(channels=176, count=4)
    first, again, other = (fit_padim(good, seed).picked.tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == CHANNELS
    assert fit_padim(good, 0, channels=None).picked.tolist() == list(range(176))
