"""The demo's model: given, shipped with the code, cached from an earlier run, or trained now."""

import hashlib
import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from stream_inspector import __version__
from stream_inspector.errors import DataError, ModelError
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model
from stream_inspector.presets import Preset
from stream_inspector.threshold.budget import Budget
from workers.demo.settings import DemoSettings
from workers.offline.images.datasets import good_files
from workers.offline.images.views import folder_view
from workers.offline.model_folder import read_model, write_model
from workers.offline.presets import find_preset
from workers.offline.progress import training_bar
from workers.runtime.categories import Category
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

if TYPE_CHECKING:
    from workers.offline.fit import GoodImages

_RENDERED_PRESET, _REAL_PRESET = "pixel-small", "feature-fast"


@dataclass(frozen=True, slots=True)
class Obtained:
    """A model and where it came from."""

    model: Model
    origin: str
    train_seconds: float | None  # None: not trained in this run


def obtain(
    settings: DemoSettings, category: str, cache: Path, console: Console, stop: StopSignal
) -> Obtained:
    """The model to inspect with, calibrated. Raises DataError, ModelError or Interrupted."""
    if settings.model is not None:
        return Obtained(_fitting(read_model(settings.model), category), "given", None)
    if settings.data is None and settings.preset is None:
        shipped = shipped_model(category)
        if shipped is not None:
            return Obtained(shipped, "shipped with the code", None)
    return _cached_or_trained(settings, category, cache, console, stop)


def shipped_model(category: str) -> Model | None:
    """The model in configs/models/<category>, if there is one."""
    folder = files("configs").joinpath("models", category)
    if not folder.joinpath("manifest.json").is_file():
        return None
    with as_file(folder) as path:
        return read_model(path)


def cache_key(source_digest: str, category: str, preset: Preset, seed: int) -> str:
    """Names a training: equal keys would train the same model."""
    text = "\x1f".join((source_digest, category, repr(preset), str(seed), __version__))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cached_or_trained(
    settings: DemoSettings, category: str, cache: Path, console: Console, stop: StopSignal
) -> Obtained:
    default = _RENDERED_PRESET if settings.data is None else _REAL_PRESET
    preset = find_preset(settings.preset or default)
    folder = cache / f"{category}-{cache_key(_digest(settings), category, preset, settings.seed)}"
    if folder.exists():
        try:
            return Obtained(read_model(folder), "trained by an earlier run", None)
        except ModelError as error:
            console.print(text((f"{error}; training again", "yellow")))
    start = time.monotonic()
    model = _train(settings, category, preset, console, stop)
    write_model(model, folder)
    return Obtained(model, "trained in this run", time.monotonic() - start)


def _train(
    settings: DemoSettings, category: str, preset: Preset, console: Console, stop: StopSignal
) -> Model:
    from workers.offline.fit import train_category  # PyTorch

    good = _good(settings, category, preset, console)
    parts = (
        f"{len(good.train)} train, {len(good.select)} select, {len(good.calibrate)} set thresholds"
    )
    found = f" ({preset.name}) on {len(good)} good images: {parts}"
    console.print(text("Training ", (category, "bold"), found))
    with training_bar(console, stop) as on_step:
        return train_category(
            good, category, preset, seed=settings.seed, budget=Budget(), on_progress=on_step
        )


def _good(settings: DemoSettings, category: str, preset: Preset, console: Console) -> "GoodImages":
    from workers.offline.fit import load_good, synthetic_good

    if settings.data is None:
        return synthetic_good(settings.training_images, settings.seed, View(preset.input_size))
    console.print(text(f"Reading the good images of {settings.data} ..."))
    view = folder_view(Category(category), preset, settings.data, "auto")
    return load_good(settings.data, view)


def _digest(settings: DemoSettings) -> str:
    if settings.data is None:
        return f"synthetic-{settings.training_images}-{settings.seed}"
    return good_files(settings.data).digest


def _fitting(model: Model, category: str) -> Model:
    if category not in model.categories:
        known = ", ".join(model.categories)
        raise DataError(
            f"the model is for {known}, the frames are of {category}; "
            f"pass --category {known} or another --model"
        )
    if category not in model.calibrations:
        raise DataError("the model has no thresholds; run `stream-inspector calibrate`")
    return model
