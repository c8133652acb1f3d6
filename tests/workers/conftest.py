"""A real model, as small as one can be, and a folder of images in MVTec layout to go with it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trained import trained_once

from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model
from stream_inspector.presets import PRESETS, Preset, at_size
from stream_inspector.synthetic import render
from stream_inspector.threshold.budget import Budget
from workers.offline.fit import load_good, train_category
from workers.offline.model_folder import write_model

GOOD = 30


def tiny_preset() -> Preset:
    """pixel-small with fewer pixels and a network that trains one step in a moment."""
    small = PRESETS["pixel-small"]
    network = replace(small.pixel.network, channels=16, multipliers=(1, 1), head_channels=16)
    return at_size(replace(small, pixel=replace(small.pixel, network=network)), (128, 128))


@pytest.fixture(scope="session")
def flanges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 good parts to train on; a good and a stained one to test, with a mask."""
    folder = tmp_path_factory.mktemp("data") / "flanges"
    for index in range(GOOD):
        _write(folder / f"train/good/{index:03}.png", render(index, 0).image)
    stained = render(100, 0, "stain")
    _write(folder / "test/good/0.png", render(101, 0).image)
    _write(folder / "test/stain/0.png", stained.image)
    _write(folder / "ground_truth/stain/0_mask.png", stained.mask.astype(np.uint8) * 255)
    return folder


@pytest.fixture(scope="session")
def further(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 good parts that no model has seen."""
    folder = tmp_path_factory.mktemp("further")
    for index in range(12):
        _write(folder / f"{index:03}.png", render(200 + index, 0).image)
    return folder


@pytest.fixture(scope="session")
def tiny_model(flanges: Path) -> Model:
    """Trained for one step: its scores mean little, but everything about it is real."""
    return trained_once("flanges", lambda: _train(flanges))


def _train(flanges: Path) -> Model:
    preset = tiny_preset()
    good = load_good(flanges, View(preset.input_size))
    # 3 images calibrate: enough for no threshold, so those that select do it here
    good = replace(good, calibrate=[*good.calibrate, *good.select])
    return train_category(good, "flanges", preset, seed=0, budget=Budget(), iterations=1)


@pytest.fixture
def model_folder(tiny_model: Model, tmp_path: Path) -> Path:
    """The model as `train` writes it."""
    write_model(tiny_model, tmp_path / "model")
    return tmp_path / "model"


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
