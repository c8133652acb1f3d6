"""Presets and images so small that a model trains in a second."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from trained import trained_once

from stream_inspector.model.version import Model
from stream_inspector.presets import (
    FEATURE_DIFFUSION,
    PIXEL_SMALL,
    MemoryPlan,
    MixturePlan,
    NetworkShape,
    Preset,
)
from stream_inspector.training.fit import Good, fit_unified
from stream_inspector.training.progress import OnProgress
from stream_inspector.verdict import Image

_SHAPE = NetworkShape(channels=8, multipliers=(1, 2), res_blocks=1, attention=(2,), head_channels=8)


def tiny_pixel_preset() -> Preset:
    """The pixel preset at 64 pixels."""
    pixel = replace(
        PIXEL_SMALL.pixel,
        size=(64, 64),
        network=replace(_SHAPE, patch=8, feature_channels=176),
        plan=replace(PIXEL_SMALL.pixel.plan, iterations=4, batch=4),
    )
    return replace(
        PIXEL_SMALL,
        input_size=(64, 64),
        grid=(8, 8),
        pixel=pixel,
        mixture=MixturePlan(4, 0.2),
        top_pixels=8,
    )


def tiny_feature_preset() -> Preset:
    """The feature preset at 64 pixels."""
    feature = FEATURE_DIFFUSION.feature
    if feature is None:
        raise ValueError("the feature preset scores features")
    small = replace(
        feature,
        size=(8, 8),
        network=replace(_SHAPE, position=(8, 8)),
        plan=replace(feature.plan, iterations=4, batch=4),
    )
    pixel = replace(tiny_pixel_preset().pixel, size=(32, 32), network=replace(_SHAPE, patch=4))
    return replace(
        FEATURE_DIFFUSION,
        input_size=(64, 64),
        grid=(8, 8),
        pixel=pixel,
        feature=small,
        mixture=MixturePlan(4, 0.2),
        nearby=MemoryPlan(vectors=32, candidates=256, block=4, margin=1),
        top_pixels=8,
    )


def good_images(count: int, seed: int = 0) -> list[Image]:
    """A bright disc on grey, with noise, [64, 64, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    disc = 90.0 + 100.0 * ((x - 32) ** 2 + (y - 32) ** 2 < 18**2)
    noisy = disc[None, :, :, None] + rng.normal(0, 6, (count, 64, 64, 3))
    return list(noisy.clip(0, 255).astype(np.uint8))


def scratched(image: Image) -> Image:
    """The same part with a dark scratch."""
    damaged = image.copy()
    damaged[28:36, 16:48] = 10
    return damaged


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", params=["pixel", "feature"])
def fitted(request: pytest.FixtureRequest) -> Model:
    """A model of each preset's kind, trained for a few steps."""
    return fitted_as(request.param)


def fitted_as(kind: str) -> Model:
    """The model of `fitted_anew`, trained once for a run."""
    return trained_once(f"disc-{kind}", lambda: fitted_anew(kind))


def fitted_anew(
    kind: str, on_progress: OnProgress = lambda _: None, seed: int = 7, **more: Any
) -> Model:
    """Trained on twelve discs."""
    preset = tiny_pixel_preset() if kind == "pixel" else tiny_feature_preset()
    good = {"disc": Good(good_images(12), good_images(6, seed=1))}
    return fit_unified(good, preset, seed, on_progress, **more)
