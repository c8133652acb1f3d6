import numpy as np
import pytest
import torch

from stream_inspector.image.view.canvas import View, runs
from stream_inspector.score.normalise import Normaliser, PerImage, fit_normaliser, to_level_of

MAPS = torch.randn(30, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 + 7
MAPS[:, 0, 0] += 100  # a place that is always odd


def test_the_global_score_is_a_z_score() -> None:
    z = fit_normaliser(MAPS).globally(MAPS)
    assert float(z.mean()) == pytest.approx(0, abs=1e-2)
    assert float(z.std()) == pytest.approx(1, abs=1e-2)


def test_the_per_position_score_forgives_a_place_that_is_always_odd() -> None:
    normaliser = fit_normaliser(MAPS)
    assert float(normaliser.globally(MAPS)[:, 0, 0].mean()) > 3
    assert float(normaliser.per_position(MAPS)[:, 0, 0].mean()) == pytest.approx(0, abs=1e-3)


def test_per_position_by_hand() -> None:
    maps = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])
    normaliser = fit_normaliser(maps)
    # deviations of 1, 3 and 0, 0: 1.414 and 0, floored by their mean 0.707; z = +-1/2.121 and 0
    assert normaliser.deviation.tolist() == [
        [pytest.approx(1.5 * 2**0.5), pytest.approx(0.5 * 2**0.5)]
    ]
    z = torch.tensor([-0.4714, 0.0, 0.4714, 0.0])
    found = normaliser.per_position(maps).flatten()
    torch.testing.assert_close(found, z / z.std(), atol=1e-3, rtol=0)


def test_constant_maps_stay_finite() -> None:
    flat = torch.ones(5, 2, 2)
    assert torch.isfinite(fit_normaliser(flat).views(flat)).all()


def test_both_views_are_kept() -> None:
    normaliser = fit_normaliser(MAPS)
    views = normaliser.views(MAPS)
    assert torch.equal(views[0], normaliser.globally(MAPS))
    assert torch.equal(views[1], normaliser.per_position(MAPS))


def test_lower_scores_on_what_was_trained_on_do_not_move_the_scale() -> None:
    """A member that memorises: half the level, half the spread, the same odd place."""
    levelled = to_level_of(MAPS.flatten(1), MAPS / 2, torch.ones(4, 4, dtype=torch.bool))
    torch.testing.assert_close(levelled, MAPS, atol=1e-4, rtol=1e-4)


def test_per_image_a_clean_image_always_has_a_pixel_at_several_sigma() -> None:
    """Why good images' statistics are the default: a large defect ranks below its absence."""
    generator = torch.Generator().manual_seed(2)
    good = torch.randn(50, 16, 16, generator=generator).square()  # KL of good pixels is like this
    clean = torch.randn(20, 16, 16, generator=generator).square()
    defective = clean.clone()
    defective[:, 4:12, 4:12] += 20

    def tops(normaliser: PerImage | Normaliser, maps: torch.Tensor) -> torch.Tensor:
        return normaliser.views(maps)[0].flatten(1).amax(1)

    per_image, by_good = PerImage(View((16, 16))), fit_normaliser(good)
    assert float(tops(per_image, clean).min()) > 3
    assert float(tops(per_image, defective).max()) < float(tops(per_image, clean).min())
    assert float(tops(by_good, defective).min()) > float(tops(by_good, clean).max())


def test_per_image_level_and_scale_of_a_map_mean_nothing() -> None:
    per_image = PerImage(View((4, 4)))
    torch.testing.assert_close(per_image.views(3 * MAPS + 7), per_image.views(MAPS))
    z = per_image.views(MAPS)[0].flatten(1)
    torch.testing.assert_close(z.mean(1), torch.zeros(30), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(1), torch.ones(30))


def test_per_image_only_inspected_pixels_count() -> None:
    ignored = np.zeros((4, 4), bool)
    ignored[:, 3] = True
    per_image, spoilt = PerImage(View((4, 4), ignored=runs(ignored))), MAPS.clone()
    spoilt[:, :, 3] = 1e4
    found = [per_image.views(each)[0, :, :, :3] for each in (MAPS, spoilt)]
    assert torch.equal(found[0], found[1])
