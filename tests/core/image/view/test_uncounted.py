"""What is not inspected counts in no statistic, threshold or metric."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stream_inspector.image.regions import find_regions, peak_region
from stream_inspector.image.view.canvas import View, runs
from stream_inspector.presets import PIXEL_SMALL, GaussianPlan
from stream_inspector.score.ensemble import fit_ensemble
from stream_inspector.score.mahalanobis import fit_gaussians
from stream_inspector.score.normalise import fit_normaliser
from stream_inspector.score.whitening import fit_whitening
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.pro import aupro, pixel_auroc

GENERATOR = torch.Generator().manual_seed(0)
CELLS = torch.ones(1, 4, 4, dtype=torch.bool)
CELLS[0, :, 3] = False
FEATURES = torch.randn(20, 3, 4, 4, generator=GENERATOR)
SPOILT = FEATURES.clone()
SPOILT[:, :, :, 3] = 1e3 * torch.randn(20, 3, 4, generator=GENERATOR)


def test_whitening_sees_inspected_cells_only() -> None:
    clean, spoilt = (fit_whitening(each, CELLS) for each in (FEATURES, SPOILT))
    assert torch.equal(clean.matrix, spoilt.matrix)
    assert torch.equal(clean.mean, spoilt.mean)


def test_gaussians_see_inspected_cells_only_though_their_margin_reaches_further() -> None:
    plan = GaussianPlan(block=2, margin=1, shrink=0.2)
    clean, spoilt = (fit_gaussians(each, plan, CELLS) for each in (FEATURES, SPOILT))
    assert torch.equal(clean.factor, spoilt.factor)
    nothing = fit_gaussians(FEATURES, plan, CELLS & False | (torch.arange(4) == 0))
    assert torch.isfinite(nothing.factor).all()


def test_tiles_are_fitted_apart() -> None:
    tiles = torch.stack([FEATURES, FEATURES + 5], 1).flatten(0, 1)
    plan = GaussianPlan(block=2, margin=0, shrink=0.2)
    gaussians = fit_gaussians(tiles, plan, torch.ones(2, 4, 4, dtype=torch.bool))
    swapped = torch.stack([FEATURES + 5, FEATURES], 1).flatten(0, 1)
    own, others = (float(gaussians.maps(each).mean()) for each in (tiles, swapped))
    assert others > 5 * own


def test_normalisation_sees_inspected_cells_only() -> None:
    maps = torch.rand(9, 4, 4, generator=GENERATOR)
    spoilt = maps.clone()
    spoilt[:, :, 3] = 1e4
    fitted = [fit_normaliser(each, CELLS[0]) for each in (maps, spoilt)]
    assert torch.equal(fitted[0].overall, fitted[1].overall)
    assert torch.equal(fitted[0].deviation[:, :3], fitted[1].deviation[:, :3])


def test_scores_beside_a_mask_are_not_diluted_by_it() -> None:
    ignored = np.zeros((16, 16), bool)
    ignored[:, 8:] = True
    view, whole = View((16, 16), ignored=runs(ignored)), View((16, 16))
    preset = replace(PIXEL_SMALL, input_size=(16, 16), grid=(8, 8), top_pixels=8)
    names = ("kl.100", "kl.200", "features", "mahalanobis", "control")
    raw = {name: torch.rand(12, 8, 8, generator=GENERATOR) for name in names}
    flat = {name: torch.full((1, 8, 8), 3.0) for name in names}
    for maps in flat.values():
        maps[:, :, 4:] = -1e4  # under the mask; would pull down its neighbours
    maps, scores = fit_ensemble(raw, preset, view).combine(flat)
    inside = maps["mahalanobis"][0][:, :8]
    assert float(inside.std()) < 0.3 * float(inside.mean())
    reference = fit_ensemble(raw, preset, whole).combine(
        {name: torch.full((1, 8, 8), 3.0) for name in names}
    )
    assert float(scores["ensemble"]) == pytest.approx(float(reference[1]["ensemble"]), rel=0.5)


def with_border(maps: np.ndarray) -> np.ndarray:
    return np.pad(maps, ((0, 0), (0, 0), (0, 20)), constant_values=-np.inf)


def test_thresholds_are_those_of_the_inspected_pixels() -> None:
    rng = np.random.default_rng(0)
    maps, scores = rng.normal(size=(30, 40, 40)).astype(np.float32), rng.normal(size=30)
    plain, masked = (calibrate(each, scores, Budget()) for each in (maps, with_border(maps)))
    assert masked.pixel_threshold == plain.pixel_threshold
    assert masked.min_area_px == plain.min_area_px


def test_metrics_are_those_of_the_inspected_pixels() -> None:
    rng = np.random.default_rng(0)
    masks = np.zeros((4, 30, 30), bool)
    masks[:2, 5:10, 20:30] = True
    maps = (rng.normal(size=masks.shape) + masks).astype(np.float32)
    wide = np.pad(masks, ((0, 0), (0, 0), (0, 20)), mode="edge")  # the defect goes on outside
    assert aupro(with_border(maps), wide) == aupro(maps, masks)
    assert pixel_auroc(with_border(maps), wide) == pixel_auroc(maps, masks)


def test_regions_never_reach_outside() -> None:
    scores = with_border(np.ones((1, 20, 20), np.float32))[0]
    place = View((20, 40)).place((40, 20))
    (region,) = find_regions(scores, 0.5, 1, place)
    assert (region.x, region.width) == (0, 20)
    assert peak_region(scores, place).width == 20
