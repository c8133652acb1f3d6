from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from stream_inspector.image.view.canvas import View, runs
from stream_inspector.model.assembly import pack_ensemble, unpack_ensemble
from stream_inspector.presets import PIXEL_SMALL
from stream_inspector.score.ensemble import (
    enlarge,
    fit_ensemble,
    image_scores,
    largest,
    member_views,
    weighted_mean,
)
from stream_inspector.score.normalise import Normaliser

PRESET = replace(PIXEL_SMALL, input_size=(16, 16), grid=(8, 8), top_pixels=8)
WHOLE = View((16, 16))
RAW = ("kl.100", "kl.200", "features", "mahalanobis", "control")


def _raw(count: int, seed: int, swing: float = 0.0) -> dict[str, torch.Tensor]:
    """Maps of good images; with `swing` the level of a whole kl map varies from image to image."""
    generator = torch.Generator().manual_seed(seed)
    raw = {name: torch.rand(count, 8, 8, generator=generator) for name in RAW}
    shift = swing * torch.rand(count, 1, 1, generator=generator)
    return raw | {name: raw[name] + shift for name in ("kl.100", "kl.200")}


def test_members_are_averaged_with_their_weights() -> None:
    maps = {"a": torch.ones(1, 2, 2), "b": torch.full((1, 2, 2), 5.0), "unused": torch.zeros(1)}
    assert weighted_mean(maps, {"a": 3.0, "b": 1.0}).unique().tolist() == [2.0]


def test_the_blur_equals_scipys() -> None:
    spot = torch.zeros(1, 40, 40)
    spot[0, 20, 12] = 1
    blurred = enlarge(spot, (40, 40), sigma=2.0)[0].numpy()
    expected = gaussian_filter(spot[0].numpy(), 2.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(blurred, expected, atol=1e-6)


def test_enlarging_keeps_places_and_level() -> None:
    cells = torch.zeros(1, 4, 4)
    cells[0, 1, 2] = 1
    large = enlarge(cells, (32, 32), sigma=4.0)[0]
    peak = divmod(int(large.argmax()), 32)
    assert 8 <= peak[0] < 16 <= peak[1] < 24
    assert float(large.sum()) == pytest.approx(64, rel=0.02)


def test_no_blur_without_sigma() -> None:
    assert torch.equal(enlarge(torch.ones(1, 2, 2), (4, 4), sigma=0), torch.ones(1, 4, 4))


def test_image_score_is_the_mean_of_the_largest_pixels() -> None:
    maps = torch.arange(18.0).reshape(2, 3, 3)
    assert image_scores(maps, 2).tolist() == [7.5, 16.5]
    assert image_scores(maps, 100).tolist() == [4.0, 13.0]
    assert image_scores(maps, 2).dtype == torch.float64


@pytest.mark.parametrize("count", [3, 640, 700])
def test_the_largest_are_found_in_few_groups(count: int) -> None:
    values = torch.randn(5, count, generator=torch.Generator().manual_seed(count))
    values[0, :9] = 7.0  # ties
    values[1] = values[1].sort().values  # the largest side by side, and in the last, short group
    for top in (1, 6, 8):
        expected = values.topk(min(top, count), dim=1).values
        assert torch.equal(largest(values, top), expected)


def test_the_kl_of_several_steps_becomes_one_member() -> None:
    unit = Normaliser(torch.zeros(2, 2), torch.ones(2, 2), torch.tensor([0.0, 1.0, 0.0, 1.0]))
    raw = {"kl.100": torch.ones(1, 2, 2), "kl.200": torch.full((1, 2, 2), 3.0)}
    found = member_views(raw, dict.fromkeys(raw, unit))
    assert found.keys() == {"kl"}
    assert found["kl"].shape == (2, 1, 2, 2)
    assert found["kl"].unique().tolist() == [2.0]


def test_image_scores_of_the_good_images_are_standardised() -> None:
    raw = _raw(400, seed=0)
    _, scores = fit_ensemble(raw, PRESET, WHOLE).combine(raw)
    for member in ("kl", "features", "mahalanobis", "control"):
        assert float(scores[member].mean()) == pytest.approx(0, abs=1e-5)
        assert float(scores[member].std()) == pytest.approx(1, abs=0.1)


def test_a_map_is_the_mean_of_its_views_in_their_spread() -> None:
    raw = _raw(20, seed=0)
    ensemble = fit_ensemble(raw, PRESET, WHOLE)
    maps, scores = ensemble.combine(raw)
    views = member_views(raw, ensemble.normalisers)["control"]
    spread, centre = ensemble.spread["control"], ensemble.centre["control"]
    large = [enlarge(view, (16, 16), PRESET.smoothing) for view in views]
    torch.testing.assert_close(maps["control"], (large[0] / spread[0] + large[1] / spread[1]) / 2)
    tops = [(image_scores(large[i], 8) - centre[i]) / spread[i] for i in (0, 1)]
    torch.testing.assert_close(scores["control"], (tops[0] + tops[1]) / 2)


def test_a_member_that_swings_on_good_images_counts_less() -> None:
    """The same defect in kl moves the ensemble's map less when kl is unsteady."""
    gains = []
    for swing in (0.0, 20.0):
        ensemble = fit_ensemble(_raw(50, seed=0, swing=swing), PRESET, WHOLE)
        clean = _raw(1, seed=1)
        marked = {name: maps.clone() for name, maps in clean.items()}
        marked["kl.100"][0, 4, 4] += 5
        marked["kl.200"][0, 4, 4] += 5
        gains.append(
            ensemble.combine(marked)[0]["ensemble"] - ensemble.combine(clean)[0]["ensemble"]
        )
    assert float(gains[1].max()) < 0.3 * float(gains[0].max())


def test_few_images_do_not_make_a_view_certain_by_chance() -> None:
    """Three images whose control scores happen to agree: the common spread keeps it in bounds."""
    raw = _raw(3, seed=0, swing=5.0)
    raw["control"] = raw["control"][:1].expand(3, 8, 8) + 1e-4 * raw["features"]
    ensemble = fit_ensemble(raw, PRESET, WHOLE)
    assert float(ensemble.spread["control"].min()) > 0.3 * float(ensemble.spread["kl"].min())


def test_per_image_each_kl_map_is_normalised_before_the_steps_are_averaged() -> None:
    raw = _raw(3, seed=0)
    raw["kl.200"] = 1000 * raw["kl.200"]  # would drown the other step
    preset = replace(PRESET, normalisation="per-image", smoothing=0.0)
    ensemble = fit_ensemble(_raw(3, seed=1), preset, WHOLE)
    maps, _ = ensemble.combine(raw)
    z = [
        (m - m.mean((1, 2), keepdim=True)) / m.flatten(1).std(1)[:, None, None]
        for m in (raw["kl.100"], raw["kl.200"])
    ]
    torch.testing.assert_close(maps["kl"], enlarge((z[0] + z[1]) / 2, (16, 16), 0.0))
    read = unpack_ensemble(preset, WHOLE, pack_ensemble(ensemble))
    assert torch.equal(read.combine(raw)[0]["ensemble"], maps["ensemble"])


def test_kl_may_be_finer_than_the_other_maps() -> None:
    """A spot of one pixel keeps its height, and what is not inspected counts in neither."""
    preset = replace(PRESET, pooled_kl=False, weights=(("kl", 1.0), ("features", 1.0)), smoothing=0)
    hidden = np.zeros((16, 16), bool)
    hidden[:, :8] = True
    view = View((16, 16), ignored=runs(hidden))
    generator = torch.Generator().manual_seed(0)

    def raw(count: int) -> dict[str, torch.Tensor]:
        fine = {name: torch.rand(count, 16, 16, generator=generator) for name in RAW[:2]}
        return _raw(count, 1) | fine

    spoilt = raw(20)
    for maps in spoilt.values():
        maps[..., : maps.shape[2] // 2] += 100  # there nothing is inspected
    fitted = unpack_ensemble(preset, view, pack_ensemble(fit_ensemble(spoilt, preset, view)))
    assert fitted.normalisers["kl.100"].mean.shape == (16, 16)
    assert float(fitted.normalisers["kl.100"].overall[0]) == pytest.approx(0.5, abs=0.05)
    new = raw(1)
    for name in RAW[:2]:
        new[name][0, 3, 12] = 30.0
    maps, _ = fitted.combine(new)
    assert divmod(int(maps["kl"][0].argmax()), 16) == (3, 12)
    beside = maps["kl"][0, 3, 13]
    assert float(maps["kl"][0, 3, 12]) > 20 * abs(float(beside))
    assert torch.isinf(maps["ensemble"][0, :, :8]).all()
