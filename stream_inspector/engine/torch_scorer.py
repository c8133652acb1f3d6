"""A model version in PyTorch: on accelerators, for training, and what no graph can say."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Network
from stream_inspector.diffusion.levels import at_levels
from stream_inspector.engine.forward import forward
from stream_inspector.engine.scorer import EXACT, Forward, Scores
from stream_inspector.features import FeatureNet, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import merge
from stream_inspector.model.assembly import (
    for_category,
    score_schedule,
    to_tensors,
    unpack_ensemble,
    unpack_features,
    unpack_network,
    unpack_scorer,
)
from stream_inspector.model.version import Model
from stream_inspector.score.ensemble import Ensemble
from stream_inspector.score.names import ENSEMBLE
from stream_inspector.verdict import Image

M = TypeVar("M", bound=nn.Module)

_CHUNK, _CHUNK_ACCELERATED = 8, 32  # images a forward: bounds memory whatever the batch


class TorchScorer:
    """Scores eagerly, channels last. See `Scorer`."""

    name = engine = "torch"

    def __init__(self, model: Model, device: str = "cpu", how: Forward = EXACT) -> None:
        """Raises ModelCorrupt, ModelUnsupported."""
        self.model, self.device = model, torch.device(device)
        preset = model.preset
        self.tensors = to_tensors(model.tensors, self.device)
        self.features_net: FeatureNet = _placed(unpack_features(preset, model.tensors), self.device)
        self._chunk = _CHUNK if self.device.type == "cpu" else _CHUNK_ACCELERATED
        network: Network = _untrained
        if preset.trained:
            net = _placed(unpack_network("network", preset.scoring, model.tensors), self.device)
            steps = score_schedule(preset.scoring).original[list(preset.scoring.score_steps)]
            network = forward(at_levels(net, steps.tolist()), self.device, how)
        self.use(network)

    def use(self, network: Network) -> None:
        """Predict with another runner of the scoring network: one of less precision."""
        model = self.model
        self._scorer = unpack_scorer(model.preset, model.categories, self.tensors, network)

    def score(self, images: Sequence[Image], labels: Sequence[int]) -> Scores:
        """See `Scorer.score`."""
        with torch.inference_mode():
            parts: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
            start = 0
            while start < len(images):
                stop = start + self._chunk
                try:
                    parts.append(self._score(images[start:stop], labels[start:stop]))
                except torch.OutOfMemoryError:
                    if self._chunk == 1:
                        raise
                    self._chunk //= 2  # from now on
                else:
                    start = stop
        return _join(parts)

    def raw_maps(self, images: Sequence[Image], labels: Sequence[int]) -> dict[str, Tensor]:
        """Members' maps on the canvas's grid before normalisation, [B, h, w]; one forward."""
        return self._merged(labels, self._scorer.maps(*self._forward(images, labels)))

    def features(
        self, images: Sequence[Image], labels: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Features of the images' tiles [B * T, C, h, w], and the raw maps of the network's members
        and the control, [B, h, w] each; one forward.
        """
        x, features, told = self._forward(images, labels)
        return features, self._merged(labels, self._scorer.network_maps(x, features, told))

    def _view(self, label: int) -> View:
        """What images of a class show; all views of a model have the same tiles."""
        return self.model.view(self.model.categories[label])

    @cached_property
    def _ensembles(self) -> list[Ensemble]:
        """By class label. Training measures raw maps with a scorer that has none yet."""
        return [
            unpack_ensemble(
                self.model.preset, self.model.view(name), for_category(name, self.tensors)
            )
            for name in self.model.categories
        ]

    def _forward(
        self, images: Sequence[Image], labels: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tiles in [-1, 1] [B * T, 3, H, W], their features and labels."""
        views = [self._view(k) for k in labels]
        prepared = [view.prepare(image) for view, image in zip(views, images, strict=True)]
        x = to_tensor(cut(views[0], prepared)).to(self.device)
        with torch.inference_mode():
            features = self.features_net(x)
        told = torch.tensor(labels, device=self.device).repeat_interleave(len(views[0].corners))
        return x, features, told

    def _merged(self, labels: Sequence[int], tiles: Mapping[str, Tensor]) -> dict[str, Tensor]:
        view = self._view(labels[0])  # all views of a model have the same tiles
        return {name: merge(view, maps) for name, maps in tiles.items()}

    def _score(
        self, images: Sequence[Image], labels: Sequence[int]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Maps and image scores of one chunk, each image normalised as its category."""
        raw, told = self.raw_maps(images, labels), torch.tensor(labels, device=self.device)
        rows = {k: torch.nonzero(told == k)[:, 0] for k in sorted(set(labels))}
        parts = [
            self._ensembles[k].combine({name: maps[picked] for name, maps in raw.items()})
            for k, picked in rows.items()
        ]
        order = torch.cat(list(rows.values())).argsort()
        maps, scores = (
            {
                name: torch.cat([part[i][name] for part in parts])[order].cpu()
                for name in parts[0][i]
            }
            for i in (0, 1)
        )
        return maps, scores


def _placed(module: M, device: torch.device) -> M:
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def _untrained(*_: Tensor) -> tuple[Tensor, Tensor | None]:
    raise ValueError("a provisional model has no network")


def _join(chunks: Sequence[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> Scores:
    maps, scores = (
        {name: torch.cat([chunk[i][name] for chunk in chunks]).numpy() for name in chunks[0][i]}
        for i in (0, 1)
    )
    return Scores(maps.pop(ENSEMBLE), scores.pop(ENSEMBLE), maps, scores)
