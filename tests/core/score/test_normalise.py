import pytest
import torch

from stream_inspector.score.normalise import fit_normaliser

MAPS = torch.randn(30, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 + 7
MAPS[:, 0, 0] += 100  # a place that is always odd


def test_the_global_score_is_a_z_score() -> None:
    z = fit_normaliser(MAPS).globally(MAPS)
    assert float(z.mean()) == pytest.approx(0, abs=1e-4)
    assert float(z.std()) == pytest.approx(1, abs=1e-4)


def test_the_per_position_score_forgives_a_place_that_is_always_odd() -> None:
    normaliser = fit_normaliser(MAPS)
    assert float(normaliser.globally(MAPS)[:, 0, 0].mean()) > 3
    assert float(normaliser.per_position(MAPS)[:, 0, 0].mean()) == pytest.approx(0, abs=1e-3)


def test_per_position_by_hand() -> None:
    maps = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])
    normaliser = fit_normaliser(maps)
    # deviations 1.414 and 0, floored by their mean 0.707; z = +-1/2.121 and 0
    assert normaliser.deviation.tolist() == [
        [pytest.approx(1.5 * 2**0.5), pytest.approx(0.5 * 2**0.5)]
    ]
    z = torch.tensor([-0.4714, 0.0, 0.4714, 0.0])
    found = normaliser.per_position(maps).flatten()
    torch.testing.assert_close(found, (z - z.mean()) / z.std(), atol=1e-3, rtol=0)


def test_constant_maps_stay_finite() -> None:
    flat = torch.ones(5, 2, 2)
    assert torch.isfinite(fit_normaliser(flat).views(flat)).all()


def test_both_views_are_kept() -> None:
    normaliser = fit_normaliser(MAPS)
    views = normaliser.views(MAPS)
    assert torch.equal(views[0], normaliser.globally(MAPS))
    assert torch.equal(views[1], normaliser.per_position(MAPS))
