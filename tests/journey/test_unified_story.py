"""One model for two products: trained together, activated for each, scored in mixed batches."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from schemas.frame import Frame
from schemas.outcome import Outcome
from stream_inspector.detector import Detector
from stream_inspector.model.version import Model, save_model
from stream_inspector.presets import PIXEL_SMALL, Preset, at_size
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import Good, calibrate, fit_unified
from stream_inspector.verdict import Image
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.detectors.settings import ModelsSection

CATEGORIES = ("bolts", "nuts")


def preset() -> Preset:
    """pixel-small at 64 pixels, with a network that trains in a moment."""
    small = at_size(PIXEL_SMALL, (64, 64))
    network = replace(small.pixel.network, channels=8, head_channels=8)
    return replace(small, pixel=replace(small.pixel, network=network))


def parts(category: str, count: int, seed: int) -> list[Image]:
    """Bolts are bright discs on dark grey, nuts dark discs on light grey; [64, 64, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    disc = 90.0 + 100.0 * ((x - 32) ** 2 + (y - 32) ** 2 < 18**2)
    noisy = (disc[None, :, :, None] + rng.normal(0, 6, (count, 64, 64, 3))).clip(0, 255)
    images = noisy.astype(np.uint8)
    return list(images if category == "bolts" else 255 - images)


def scratched(image: Image) -> Image:
    """The part with a grey scratch."""
    damaged = image.copy()
    damaged[26:38, 14:50] = 128
    return damaged


def png(image: Image) -> bytes:
    buffer = io.BytesIO()
    Pil.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def unified() -> Model:
    good = {c: Good(parts(c, 12, 0), parts(c, 6, 1)) for c in CATEGORIES}
    model = fit_unified(good, preset(), 0, lambda _: None, iterations=4)
    for category in CATEGORIES:
        budget = Budget(image_false_reject=0.1, confidence=0.9)
        model = calibrate(model, parts(category, 30, 2), budget, category=category)
    return model


@pytest.mark.slow
def test_two_products_share_a_model_and_its_batches(
    stage: Any, unified: Model, make_frame: Callable[..., Frame]
) -> None:
    files = save_model(unified)
    stage.registry.push(unified.categories, unified.version, files.manifest, files.tensors)
    for category in CATEGORIES:
        stage.registry.activate(category, unified.version, by="test", why="test")
    stage.start(ModelLoader(ModelsSection(engine="torch")), **{"worker.batch_age_ms": 20_000})
    sent: dict[str, tuple[str, str]] = {}
    for number in range(4):
        for category in CATEGORIES:
            image = parts(category, 1, 10 + number)[0]
            good = number < 2
            frame = make_frame(png(image if good else scratched(image)), category=category)
            sent[frame.frame_id] = (category, "pass" if good else "defect")
            stage.send(frame, partition=0)

    outcomes: list[Outcome] = stage.outcomes_of(8)

    assert {o.model_version for o in outcomes} == {unified.version}
    batches = stage.metrics.registry.get_sample_value("inspector_batch_size_frames_count")
    assert batches == 1  # mixed
    for outcome in outcomes:
        category, verdict = sent[outcome.frame.frame_id]
        calibration = unified.calibrations[category]
        assert outcome.frame.category == category
        assert (outcome.calibration_id, outcome.image_threshold) == (
            calibration.id,
            calibration.image_threshold,
        )
        assert (outcome.verdict == "defect") == (verdict == "defect"), (category, outcome)


@pytest.mark.slow
def test_a_good_part_just_under_the_threshold_is_a_near_miss(
    stage: Any, unified: Model, make_frame: Callable[..., Frame]
) -> None:
    files, calibration = save_model(unified), unified.calibrations["bolts"]
    stage.registry.push(unified.categories, unified.version, files.manifest, files.tensors)
    stage.registry.activate("bolts", unified.version, by="test", why="test")
    stage.start(ModelLoader(ModelsSection(engine="torch")))
    scores = Detector(unified, engine="torch").score(parts("bolts", 30, 2), ["bolts"] * 30)
    order = scores.image_scores.argsort()  # the 28th of 30 is the threshold, the 22nd the near one
    for place in (24, 10):
        stage.send(make_frame(png(parts("bolts", 30, 2)[order[place]]), category="bolts"))

    near, passed = stage.outcomes_of(2)

    assert (near.verdict, passed.verdict) == ("near_miss", "pass")
    assert calibration.near_miss_threshold < near.image_score < near.image_threshold
    assert near.calibration_id == passed.calibration_id == calibration.id


@pytest.mark.slow
def test_a_part_shown_as_the_other_product_is_a_defect(
    stage: Any, unified: Model, make_frame: Callable[..., Frame]
) -> None:
    files = save_model(unified)
    stage.registry.push(unified.categories, unified.version, files.manifest, files.tensors)
    for category in CATEGORIES:
        stage.registry.activate(category, unified.version, by="test", why="test")
    stage.start(ModelLoader(ModelsSection(engine="torch")))
    stage.send(make_frame(png(parts("bolts", 1, 9)[0]), category="nuts"))

    [outcome] = stage.outcomes_of(1)

    assert outcome.verdict == "defect"
