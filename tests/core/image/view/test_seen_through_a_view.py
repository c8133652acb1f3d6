"""A model that sees its frames through a view: what is outside changes nothing, anywhere."""

from dataclasses import replace

import numpy as np
import pytest
from core.conftest import good_images, scratched, tiny_feature_preset, tiny_pixel_preset
from trained import trained_once

from stream_inspector.detector import Detector
from stream_inspector.image.view.canvas import View, runs
from stream_inspector.model.version import Model, load_model, save_model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import Good, calibrate, fit, fit_unified
from stream_inspector.verdict import Image

# Their models are trained first; in one process, which trains them once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("views")]

IGNORED = np.zeros((64, 64), bool)
IGNORED[20:40, 40:60] = True  # half of the scratch
MASKED = View((64, 64), ignored=runs(IGNORED))
TILED = View((64, 64), columns=2, overlap=(0, 16))


def wide_images(count: int, seed: int = 0) -> list[Image]:
    """Two discs side by side, [64, 112, 3]."""
    pairs = zip(good_images(count, seed), good_images(count, seed + 1), strict=True)
    return [np.concatenate([left, right[:, 16:]], axis=1) for left, right in pairs]


def wide_scratched(image: Image) -> Image:
    """A scratch on the right disc."""
    damaged = image.copy()
    damaged[28:36, 72:96] = 10
    return damaged


@pytest.fixture(scope="module")
def masked() -> Model:
    good = good_images(12), good_images(6, seed=1)
    return trained_once("masked", lambda: _calibrated(good, MASKED, good_images(30, seed=9)))


@pytest.fixture(scope="module")
def tiled() -> Model:
    good = wide_images(12), wide_images(6, seed=20)
    return trained_once("tiled", lambda: _calibrated(good, TILED, wide_images(30, seed=30)))


def _calibrated(good: tuple[list[Image], list[Image]], view: View, more: list[Image]) -> Model:
    model = fit(*good, "disc", tiny_feature_preset(), 7, lambda _: None, view=view)
    return calibrate(model, more, Budget(confidence=0.5))


def test_what_happens_under_the_mask_changes_no_score(masked: Model) -> None:
    detector, image = Detector(masked, engine="torch"), good_images(1, seed=5)[0]
    noisy = image.copy()
    noisy[IGNORED] = np.random.default_rng(0).integers(0, 256, (IGNORED.sum(), 3))
    one, other = detector.score([image]), detector.score([noisy])
    assert np.array_equal(one.maps, other.maps)
    assert one.image_scores == other.image_scores


def test_ignored_pixels_have_no_score_and_the_others_have_one(masked: Model) -> None:
    scores = Detector(masked, engine="torch").score([scratched(good_images(1, seed=5)[0])])
    for maps in (scores.maps, *scores.members.values()):
        assert (np.isneginf(maps[0]) == IGNORED).all()
        assert np.isfinite(maps[0][~IGNORED]).all()
    assert np.isfinite(scores.image_scores).all()


@pytest.mark.slow
def test_regions_and_counterparts_stay_outside_the_mask(masked: Model) -> None:
    detector, image = Detector(masked, engine="torch"), scratched(good_images(1, seed=5)[0])
    (verdict,) = detector.inspect([image], [(640, 640)])
    assert verdict.grade == "defect"
    for region in verdict.regions:
        box = np.zeros((64, 64), bool)
        box[region.y // 10 : (region.y + region.height) // 10, region.x // 10 :][
            :, : region.width // 10
        ] = True
        assert (box & ~IGNORED).any()
    (counterpart,) = detector.explain([image], [verdict])
    assert (counterpart.image[IGNORED] == image[IGNORED]).all()
    assert (counterpart.image != image).any()


def test_a_view_travels_with_the_model_and_makes_its_version(masked: Model) -> None:
    read = load_model(save_model(masked))
    assert read.view() == MASKED
    assert replace(masked, views={}).version != masked.version


def test_a_defect_is_found_where_it_lies_in_the_frame_across_tiles(tiled: Model) -> None:
    detector, image = Detector(tiled, engine="torch"), wide_scratched(wide_images(1, seed=50)[0])
    scores = detector.score([image, wide_images(1, seed=51)[0]])
    assert scores.maps.shape == (2, 64, 112)
    assert scores.image_scores[0] > scores.image_scores[1]
    (verdict,) = detector.inspect([image], [(1120, 640)])
    region = max(verdict.regions, key=lambda found: found.peak_score)
    assert 600 < region.x + region.width / 2 < 1060  # the scratch: 720 to 960


@pytest.mark.slow
def test_only_tiles_with_a_defect_are_changed(tiled: Model) -> None:
    detector, image = Detector(tiled, engine="torch"), wide_scratched(wide_images(1, seed=50)[0])
    scores = np.full((64, 112), -5, np.float32)
    scores[28:36, 80:92] = 50
    (verdict,) = detector.inspect([image], [(112, 64)])
    (counterpart,) = detector.explain([image], [replace(verdict, score_map=scores)])
    assert counterpart.image.shape == image.shape
    assert (counterpart.image[:, :48] == image[:, :48]).all()
    assert (counterpart.image[28:36, 80:92] != image[28:36, 80:92]).mean() > 0.5


def test_a_unified_model_needs_one_tiling() -> None:
    good = {"disc": Good(good_images(12), good_images(6)), "pair": Good([], [], TILED)}
    with pytest.raises(ValueError, match="all categories of a model need tiles"):
        fit_unified(good, tiny_pixel_preset(), 7, lambda _: None)


@pytest.mark.slow
def test_categories_of_a_unified_model_have_masks_of_their_own() -> None:
    good = {
        "open": Good(good_images(12), good_images(6, seed=1)),
        "masked": Good(good_images(12), good_images(6, seed=1), MASKED),
    }
    model = fit_unified(good, tiny_pixel_preset(), 7, lambda _: None, iterations=1)
    image = good_images(1, seed=5)[0]
    scores = Detector(model, engine="torch").score([image, image], ["open", "masked"])
    assert np.isfinite(scores.maps[0]).all()
    assert (np.isneginf(scores.maps[1]) == IGNORED).all()
