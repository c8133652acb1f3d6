"""Makes a model version ready on the device, or stands in for one in benchmarks."""

import time
from collections.abc import Iterable, Sequence

import numpy as np

from stream_inspector.verdict import Grade, Image, Verdict
from stream_inspector.view.canvas import View
from workers.inspector.models import LoadModel
from workers.inspector.settings import ModelsSection
from workers.inspector.work import LoadedModel
from workers.runtime.categories import trained_view
from workers.runtime.engine_cache import EngineCache

NULL_VERSION = "null-detector"


def model_loader(settings: ModelsSection) -> LoadModel:
    """How models are loaded on this worker's device."""
    cache = EngineCache(settings.engine_cache)

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        from stream_inspector.detector import Detector
        from stream_inspector.errors import ModelUnsupported
        from stream_inspector.model import ModelFiles, load_model

        model = load_model(ModelFiles(manifest=manifest, tensors=tensors))
        if not model.calibrations:
            raise ModelUnsupported(
                f"version {model.version} is not calibrated: run `stream-inspector calibrate`"
            )
        detector = Detector(model, settings.device, settings.engine, settings.threads, cache=cache)
        loaded = LoadedModel(
            version=model.version,
            calibrations={name: each.id for name, each in model.calibrations.items()},
            views={name: model.view(name) for name in model.calibrations},
            inspect=detector.inspect,
            explain=detector.explain,
            engine=str(detector.engine),
            trained_views={
                name: trained_view(model.provenance, name) for name in model.calibrations
            },
        )
        check(loaded)
        return loaded

    return load


def check(model: LoadedModel) -> None:
    """Inspect a plain grey image as each category: a model that cannot is not swapped in.

    Raises ValueError.
    """
    for category, view in model.views.items():
        height, width = view.canvas
        grey = np.full((height, width, 3), 128, np.uint8)
        verdict = model.inspect([grey], [(width, height)], [category])[0]
        if not np.isfinite(verdict.image_score) or verdict.score_map.shape != (height, width):
            raise ValueError(
                f"version {model.version} fails its self-check as {category}: {verdict.image_score}"
            )


def null_model(
    batch_ms: float, categories: Iterable[str], input_size: tuple[int, int] = (256, 256)
) -> LoadedModel:
    """Inspects nothing: passes every frame after `batch_ms` per batch. For benchmarks only."""
    empty = np.zeros(input_size, np.float32)

    def inspect(images: Sequence[Image], *_: object) -> list[Verdict]:
        time.sleep(batch_ms / 1000)
        verdict = Verdict(Grade.PASS, 0.0, 1.0, 1.0, (), empty)
        return [verdict] * len(images)

    names = list(categories)
    views = dict.fromkeys(names, View(input_size))
    calibrations = dict.fromkeys(names, NULL_VERSION)
    return LoadedModel(NULL_VERSION, calibrations, views, inspect, engine="none")
