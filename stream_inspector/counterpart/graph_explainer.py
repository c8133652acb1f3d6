"""A model's defective images -> their normal counterparts on ONNX Runtime or OpenVINO.

What `explainer.py` does in PyTorch, for variants that need no gradient.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from stream_inspector.counterpart.examiner import Examiner, unpacked
from stream_inspector.counterpart.masked import Estimate, without_defects
from stream_inspector.counterpart.variants import (
    Array,
    Counterpart,
    CounterpartSettings,
    OnRound,
    anomaly_weights,
)
from stream_inspector.engine.graph.noise import level, scalings
from stream_inspector.engine.graph.unet import EMBEDDING, embedded
from stream_inspector.engine.graph.whole import denoiser_graph, features_graph
from stream_inspector.engine.sessions import SESSIONS
from stream_inspector.errors import ModelCorrupt
from stream_inspector.image.view.cutting import cut, cut_maps, merged
from stream_inspector.model.version import Model
from stream_inspector.presets import EXAMINER, examiner_grid
from stream_inspector.verdict import Image, Verdict


class GraphExplainer:
    """The pixel denoiser of a model as a graph, and what examines what it made."""

    def __init__(self, model: Model, engine: str, threads: int) -> None:
        """Raises EngineMissing, ModelCorrupt."""
        self._model, self._engine, self._threads = model, engine, threads
        prefix = f"{model.preset.pixel_prefix}."
        weights = {
            name.removeprefix(prefix): np.asarray(value, np.float32)
            for name, value in model.tensors.items()
            if name.startswith(prefix)
        }
        try:
            self._predict = self._session(denoiser_graph(model.preset.pixel, weights))
        except KeyError as error:
            raise _lacks(error) from error
        self._embedding = {k: v for k, v in weights.items() if k.startswith(EMBEDDING)}

    def explain(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Verdict],
        labels: Sequence[int],
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> list[Counterpart]:
        """Counterparts of canvases [H, W, 3], each of the category with its label."""
        return [
            self._explained(image, verdict, label, settings, on_round)
            for image, verdict, label in zip(images, verdicts, labels, strict=True)
        ]

    def examine(self, images: Sequence[Image], labels: Sequence[int]) -> list[tuple[float, float]]:
        """The examiner's distance of each canvas, and the end of its normal range."""
        examiners = [self._examiners[label] for label in labels]
        return [
            (examiner.of([image])[0], examiner.limit)
            for image, examiner in zip(images, examiners, strict=True)
        ]

    def _explained(
        self,
        image: Image,
        verdict: Verdict,
        label: int,
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> Counterpart:
        (weight,) = anomaly_weights([verdict])
        found, rounds = self._without_defect(image, weight, label, settings, on_round)
        examiner = self._examiners[label]
        before, after = examiner.of([image, found])
        return Counterpart(found, before, after, examiner.limit, rounds)

    def _without_defect(
        self,
        image: Image,
        weight: Array,
        label: int,
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> tuple[Image, int]:
        """Only tiles with a defect change."""
        name = self._model.categories[label]
        view = self._model.view(name)
        tiles = cut(view, [view.prepare(image)])
        weights = cut_maps(view, np.asarray(weight * view.valid, np.float32))
        changing = [i for i, each in enumerate(weights) if each.any()]
        if not changing:
            return image, 0
        made = without_defects(
            [tiles[i] for i in changing],
            weights[changing],
            self._estimate(label),
            self._model.preset.pixel.size,
            settings,
            usual=float(self._tensor(f"{name}/counterpart.usual")),
            on_round=on_round,
        )
        for i, each in zip(changing, made, strict=True):
            tiles[i] = each
        return np.where(view.valid[..., None], merged(view, tiles), image), len(settings.steps)

    def _estimate(self, label: int) -> Estimate:
        """The clean image behind x_t, of a category."""
        pixel, sigma = self._model.preset.pixel, float(self._tensor("sigma_data"))

        def estimate(x_t: Array, step: int) -> Array:
            told = embedded(pixel.network, self._embedding, step, label)
            skip, out, inp = scalings(pixel.parameterisation, level(step).alpha_bar, sigma)
            raw = self._predict((inp * x_t).astype(np.float32), told)[0][:, : x_t.shape[1]]
            return np.asarray((skip * x_t + out * raw).clip(-1, 1), np.float32)

        return estimate

    @cached_property
    def _examiners(self) -> list[Examiner]:
        """By class label."""
        preset, tensors = self._model.preset, self._model.tensors
        grid = examiner_grid(preset.input_size)
        features = self._session(features_graph(preset.input_size, EXAMINER, grid))
        try:
            return [
                unpacked(features, self._model.view(name), tensors, name)
                for name in self._model.categories
            ]
        except KeyError as error:
            raise _lacks(error) from error

    def _session(self, graph: bytes) -> Any:
        return SESSIONS[self._engine](graph, self._threads)

    def _tensor(self, name: str) -> Any:
        try:
            return self._model.tensors[name]
        except KeyError as error:
            raise _lacks(error) from error


def _lacks(error: KeyError) -> ModelCorrupt:
    return ModelCorrupt(f"the model lacks the tensor {error.args[0]}")
