"""Images -> score maps -> verdicts: the only place where the steps of inspection meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_inspector.backbones import is_packaged
from stream_inspector.counterpart.explainer import Explainer
from stream_inspector.counterpart.gradient_denoising import (
    COUNTERPARTS,
    Counterpart,
    CounterpartSettings,
    OnRound,
)
from stream_inspector.diffusion.denoiser import Network
from stream_inspector.engine.cache import Cache
from stream_inspector.engine.choose import Engine, choose
from stream_inspector.engine.part import Part
from stream_inspector.errors import ModelUnsupported
from stream_inspector.features import to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.tiles import cut, merge
from stream_inspector.model.assembly import (
    for_category,
    unpack_ensemble,
    unpack_features,
    unpack_network,
    unpack_scorer,
)
from stream_inspector.model.footprint import footprint
from stream_inspector.model.version import Model
from stream_inspector.score.ensemble import ENSEMBLE, Ensemble
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.judge import judge
from stream_inspector.verdict import Image, Verdict

_EXAMPLE = 4  # images that engines are compared and timed with
_CHUNK, _CHUNK_ACCELERATED = 8, 32  # images a forward: bounds memory whatever the batch


@dataclass(frozen=True)
class Scores:
    """Maps of the canvas and image scores, of the ensemble and of each member alone."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    members: dict[str, NDArray[np.float32]]  # each [N, H, W]
    member_image_scores: dict[str, NDArray[np.float64]]  # each [N]


class Detector:
    """A model version on a device, ready to score. Not safe for concurrent calls.

    `cache` spares the next load of the same architecture on the same device seconds of exporting
    and timing engines.
    """

    def __init__(
        self,
        model: Model,
        device: str = "cpu",
        engine: str = "auto",
        threads: int | None = None,
        *,
        cache: Cache | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.model, self.preset, self.device = model, model.preset, torch.device(device)
        self.bytes = footprint(model, device)
        self.runners: Engine = choose(_parts(model), engine, self.device, threads, cache)
        self._chunk = _CHUNK if self.device.type == "cpu" else _CHUNK_ACCELERATED
        self.engine = self.runners.name
        tensors = {name: tensor.to(self.device) for name, tensor in model.tensors.items()}
        self._tensors = tensors
        network = _network(self.runners)
        self._scorer = unpack_scorer(self.preset, model.categories, tensors, network)

    def score(self, images: Sequence[Image], categories: Sequence[str] | None = None) -> Scores:
        """Score uint8 images [H, W, 3], canvases of their categories' views.

        A batch may mix the categories of a unified model; one category need not be named.
        """
        if not images:
            raise ValueError("there is no image to score")
        labels = self.model.labels(categories, len(images))
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

    def inspect(
        self,
        images: Sequence[Image],
        original_sizes: Sequence[tuple[int, int]],
        categories: Sequence[str] | None = None,
    ) -> list[Verdict]:
        """Verdicts; regions in pixels of the frames as captured, (width, height) each.

        Raises ModelUnsupported when a category has no calibration.
        """
        calibrations = self._calibrations(categories, len(images))
        scores = self.score(images, categories)
        views = [self._view(k) for k in self.model.labels(categories, len(images))]
        return [
            judge(
                scores.maps[i],
                float(scores.image_scores[i]),
                {name: float(values[i]) for name, values in scores.member_image_scores.items()},
                calibrations[i],
                views[i].place(size),
            )
            for i, size in enumerate(original_sizes)
        ]

    def self_test(self) -> None:
        """Score each category's self-test image, where there is one. Raises SelfTestFailed."""
        for name, test in self.model.self_tests.items():
            scores = self.score([self.model.self_test_image(name)], [name])
            test.check(float(scores.image_scores[0]))

    @property
    def explains(self) -> bool:
        """Whether the model has a network that makes counterparts."""
        return not self.model.provisional

    def explain(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Verdict],
        categories: Sequence[str] | None = None,
        *,
        settings: CounterpartSettings | None = None,
        on_round: OnRound | None = None,
    ) -> list[Counterpart]:
        """Normal counterparts of defective images, examined by a network that did not guide them.

        `settings` is the preset's variant unless given; `on_round` hears of every round of each
        image's tiles, one image after the other. Raises UnknownCategory, and ModelUnsupported where
        no network is trained.
        """
        if not self.explains:
            raise ModelUnsupported(f"model {self.model.version} is provisional: it has no network")
        labels = self.model.labels(categories, len(images))
        settings = settings or COUNTERPARTS[self.preset.counterpart]
        return self._explainer.explain(images, verdicts, labels, settings, on_round)

    def examine(
        self, images: Sequence[Image], categories: Sequence[str] | None = None
    ) -> list[tuple[float, float]]:
        """The examiner's distance of each image from normal, and the end of its normal range."""
        return self._explainer.examine(images, self.model.labels(categories, len(images)))

    @cached_property
    def _explainer(self) -> Explainer:
        """Loaded at the first defect."""
        return Explainer(self.model, self._tensors, self.device)

    def _view(self, label: int) -> View:
        """What images of a class show; all views of a model have the same tiles."""
        return self.model.view(self.model.categories[label])

    @cached_property
    def _ensembles(self) -> list[Ensemble]:
        """By class label. Training measures raw maps with a detector that has none yet."""
        return [
            unpack_ensemble(self.preset, self.model.view(name), for_category(name, self._tensors))
            for name in self.model.categories
        ]

    def _calibrations(self, categories: Sequence[str] | None, count: int) -> list[Calibration]:
        """The thresholds that hold for each image."""
        named = [self.model.categories[k] for k in self.model.labels(categories, count)]
        for name in named:
            if name not in self.model.calibrations:
                raise ModelUnsupported(
                    f"model {self.model.version} has no thresholds for {name}: calibrate it first"
                )
        return [self.model.calibrations[name] for name in named]

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

    def _forward(
        self, images: Sequence[Image], labels: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tiles in [-1, 1] [B * T, 3, H, W], their features and labels."""
        views = [self._view(k) for k in labels]
        prepared = [view.prepare(image) for view, image in zip(views, images, strict=True)]
        x = to_tensor(cut(views[0], prepared)).to(self.device)
        (features,) = self.runners.runners["features"](x)
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


def _network(engine: Engine) -> Network:
    """The scoring network. No method of the detector: a cycle would keep its memory for a while."""

    def run(*inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        raw, *features = engine.runners["network"](*inputs)
        return raw, features[0] if features else None

    return run


def _join(chunks: Sequence[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> Scores:
    maps, scores = (
        {name: torch.cat([chunk[i][name] for chunk in chunks]).numpy() for name in chunks[0][i]}
        for i in (0, 1)
    )
    return Scores(maps.pop(ENSEMBLE), scores.pop(ENSEMBLE), maps, scores)


def _parts(model: Model) -> list[Part]:
    """The networks of the serving path with inputs of their shapes."""
    preset, scoring = model.preset, model.preset.scoring
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_EXAMPLE, 3, *preset.input_size, generator=generator) * 2 - 1
    looked = preset.backbone
    named = f"{looked.architecture} {looked.levels}" if is_packaged(looked) else str(looked)
    net = unpack_features(preset, model.tensors)
    features = Part("features", net, (images,), f"{named} {preset.grid}", True)
    if not preset.trained:
        return [features]
    x = torch.randn(_EXAMPLE, scoring.channels, *scoring.size, generator=generator)
    t = torch.full((_EXAMPLE,), scoring.score_steps[0])
    label = (torch.zeros(_EXAMPLE, dtype=torch.int64),) if scoring.network.classes else ()
    unet = unpack_network("network", scoring, model.tensors)
    shape = f"{scoring.channels} {scoring.network}"
    return [features, Part("network", unet, (x, t, *label), shape, False)]
