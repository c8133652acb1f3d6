"""A model's defective images -> their normal counterparts, tile by tile, examined as a whole: in
PyTorch, for accelerators and variants that descend a distance.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from stream_inspector.counterpart.gradient_denoising import make_counterparts, usual_change
from stream_inspector.counterpart.variants import (
    Counterpart,
    CounterpartSettings,
    OnRound,
    anomaly_weights,
)
from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.features import load_feature_net, to_images, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import cut_maps, merge
from stream_inspector.model.assembly import (
    Tensors,
    bind,
    for_category,
    unpack_examiner,
    unpack_features,
    unpack_guide,
    unpack_network,
    unpack_usual_change,
)
from stream_inspector.model.version import Model
from stream_inspector.presets import EXAMINER, examiner_grid
from stream_inspector.score.distance import Distance
from stream_inspector.verdict import Image, Verdict

_MEASURED = 6  # tiles


class Explainer:
    """The pixel denoiser of a model, what guides it, and what examines what it made."""

    def __init__(self, model: Model, tensors: Tensors, device: torch.device) -> None:
        self._model, self._tensors, self._device = model, tensors, device

    def explain(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Verdict],
        labels: Sequence[int],
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> list[Counterpart]:
        """Counterparts of canvases [H, W, 3], each of the category with its label."""
        made: dict[int, Counterpart] = {}
        for label in sorted(set(labels)):
            picked = [i for i, other in enumerate(labels) if other == label]
            chosen = [images[i] for i in picked]
            weights = torch.from_numpy(anomaly_weights([verdicts[i] for i in picked]))
            found, rounds = self._without_defects(chosen, weights, label, settings, on_round)
            examiner = self._examiners[label]
            before, after = examiner.of(chosen), examiner.of(found)
            for k, place in enumerate(picked):
                made[place] = Counterpart(found[k], before[k], after[k], examiner.limit, rounds[k])
        return [made[i] for i in range(len(images))]

    def examine(self, images: Sequence[Image], labels: Sequence[int]) -> list[tuple[float, float]]:
        """The examiner's distance of each canvas, and the end of its normal range."""
        examiners = [self._examiners[label] for label in labels]
        return [
            (examiner.of([image])[0], examiner.limit)
            for image, examiner in zip(images, examiners, strict=True)
        ]

    def usual_change(self, images: Sequence[Image], label: int) -> float:
        """How much good canvases change where everything may; measured of a few."""
        view = self._model.view(self._model.categories[label])
        tiles = cut(view, [view.prepare(image) for image in images])[:_MEASURED]
        preset, told = self._model.preset, torch.full((min(len(tiles), _MEASURED),), label)
        denoiser = self._denoiser.given(told if preset.pixel.network.classes else None)
        return usual_change(tiles, denoiser, preset.pixel.size, self._device)

    def _without_defects(
        self,
        images: Sequence[Image],
        weights: Tensor,
        label: int,
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> tuple[list[Image], list[int]]:
        """Counterparts of one category's canvases, and the rounds each took.

        One image after the other: what is computed for one must not depend, by a rounding, on those
        that happen to lie in its batch.
        """
        made = [
            self._without_defect(image, weight, label, settings, on_round)
            for image, weight in zip(images, weights[:, None], strict=True)
        ]
        return [image for image, _ in made], [rounds for _, rounds in made]

    def _without_defect(
        self,
        image: Image,
        weight: Tensor,
        label: int,
        settings: CounterpartSettings,
        on_round: OnRound | None,
    ) -> tuple[Image, int]:
        """Unguided, only tiles with a defect change."""
        view = self._model.view(self._model.categories[label])
        tiles = cut(view, [view.prepare(image)])
        weights = cut_maps(view, weight * torch.tensor(view.valid))
        guide = self._guides[label] if settings.gradient_steps else None
        changing = [i for i, each in enumerate(weights) if guide or each.any()]
        if not changing:
            return image, 0
        denoiser = self._denoiser
        if self._model.preset.pixel.network.classes:
            denoiser = denoiser.given(torch.full((len(changing),), label))
        made, took = make_counterparts(
            [tiles[i] for i in changing],
            weights[changing].to(self._device),
            denoiser,
            self._model.preset.pixel.size,
            settings,
            guide=guide.maps if guide else None,
            normal=guide.limit if guide else -math.inf,
            usual=unpack_usual_change(self._categories()[label][1]),
            on_round=on_round,
        )
        for i, each in zip(changing, made, strict=True):
            tiles[i] = each
        (merged,) = to_images(merge(view, to_tensor(tiles)))
        return np.where(view.valid[..., None], merged, image), max(took)

    @cached_property
    def _denoiser(self) -> Denoiser:
        preset, tensors = self._model.preset, self._tensors
        network = unpack_network(preset.pixel_prefix, preset.pixel, tensors).to(self._device)
        return bind(preset.pixel, network, float(tensors["sigma_data"]))

    @cached_property
    def _guides(self) -> list[Distance]:
        """By class label."""
        net = unpack_features(self._model.preset, self._tensors).to(self._device)
        return [unpack_guide(net, *told) for told in self._categories()]

    @cached_property
    def _examiners(self) -> list[Distance]:
        """By class label."""
        net = load_feature_net(examiner_grid(self._model.preset.input_size), EXAMINER)
        return [unpack_examiner(net.to(self._device), *told) for told in self._categories()]

    def _categories(self) -> list[tuple[View, Tensors]]:
        """Each category's view and statistics, by class label."""
        return [
            (self._model.view(name), for_category(name, self._tensors))
            for name in self._model.categories
        ]
