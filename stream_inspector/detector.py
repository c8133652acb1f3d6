"""Images -> score maps -> verdicts: the only place where the steps of inspection meet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_inspector.assembly import (
    bind,
    pixel_prefix,
    unpack_ensemble,
    unpack_network,
    unpack_scorer,
)
from stream_inspector.counterpart import Counterpart, anomaly_weights, judged, make_counterparts
from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.engine import Engine, Part, choose
from stream_inspector.errors import ModelUnsupported
from stream_inspector.features import load_feature_net, to_tensor
from stream_inspector.judge import judge
from stream_inspector.model import Model
from stream_inspector.score.ensemble import ENSEMBLE, Ensemble
from stream_inspector.threshold.budget import Calibration
from stream_inspector.verdict import Image, Verdict

JUDGE = "mahalanobis"  # the member that judges counterparts
_CHUNK = 8  # images a forward: bounds memory whatever the batch


@dataclass(frozen=True)
class Scores:
    """Maps at the input size and image scores, of the ensemble and of each member alone."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    members: dict[str, NDArray[np.float32]]  # each [N, H, W]
    member_image_scores: dict[str, NDArray[np.float64]]  # each [N]


class Detector:
    """A model version on a device, ready to score. Not safe for concurrent calls."""

    def __init__(
        self, model: Model, device: str = "cpu", engine: str = "auto", threads: int | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.model, self.preset, self.device = model, model.preset, torch.device(device)
        self.runners: Engine = choose(_parts(model), engine, self.device, threads)
        self.engine = self.runners.name
        tensors = {name: tensor.to(self.device) for name, tensor in model.tensors.items()}
        self._tensors = tensors
        self._scorer = unpack_scorer(self.preset, tensors, self._network)

    def score(self, images: Sequence[Image]) -> Scores:
        """Score uint8 images [h, w, 3] at preset.input_size."""
        if not images:
            raise ValueError("there is no image to score")
        chunks = [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]
        with torch.inference_mode():
            parts = [self._score(chunk) for chunk in chunks]
        return _join(parts)

    def inspect(
        self, images: Sequence[Image], original_sizes: Sequence[tuple[int, int]]
    ) -> list[Verdict]:
        """Verdicts; regions in pixels of the frames as captured, (width, height) each.

        Raises ModelUnsupported when the model has no calibration.
        """
        calibration = self._calibration()
        scores = self.score(images)
        return [
            judge(
                scores.maps[i],
                float(scores.image_scores[i]),
                {name: float(values[i]) for name, values in scores.member_image_scores.items()},
                calibration,
                size,
            )
            for i, size in enumerate(original_sizes)
        ]

    def explain(self, images: Sequence[Image], verdicts: Sequence[Verdict]) -> list[Counterpart]:
        """Normal counterparts of defective images, with the judgement whether they convince.

        The judge is the Mahalanobis distance: frozen features that the pixel network, which makes
        the counterparts, has never seen. Raises ModelUnsupported without a calibration.
        """
        if not images:
            return []
        normal = dict(self._calibration().member_thresholds).get(JUDGE, -math.inf)
        weights = anomaly_weights(verdicts).to(self.device)
        denoiser, size = self._pixel_denoiser, self.preset.pixel.size
        made, rounds = make_counterparts(images, weights, denoiser, size)
        before = [verdict.member_scores[JUDGE] for verdict in verdicts]
        after = self.score(made).member_image_scores[JUDGE].tolist()
        return judged(made, before, after, normal, rounds)

    @cached_property
    def _ensemble(self) -> Ensemble:
        """Training measures raw maps with a detector that has none yet."""
        return unpack_ensemble(self.preset, self._tensors)

    @cached_property
    def _pixel_denoiser(self) -> Denoiser:
        """The denoiser of the pixel space; loaded at the first defect when features score."""
        tensors, prefix = self.model.tensors, pixel_prefix(self.preset)
        network = unpack_network(prefix, self.preset.pixel, tensors).to(self.device)
        return bind(self.preset.pixel, network, float(tensors["sigma_data"]))

    def _calibration(self) -> Calibration:
        if self.model.calibration is None:
            raise ModelUnsupported(
                f"model {self.model.version} of {self.model.category} has no thresholds: "
                "calibrate it first"
            )
        return self.model.calibration

    def raw_maps(self, images: Sequence[Image]) -> dict[str, Tensor]:
        """Members' maps on the grid before normalisation, [B, h, w]; one forward."""
        x = to_tensor(images).to(self.device)
        (features,) = self.runners.runners["features"](x)
        return self._scorer.maps(x, features)

    def _network(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        raw, *features = self.runners.runners["network"](x, t)
        return raw, features[0] if features else None

    def _score(self, images: Sequence[Image]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        maps, scores = self._ensemble.combine(self.raw_maps(images))
        return (
            {name: values.cpu() for name, values in maps.items()},
            {name: values.cpu() for name, values in scores.items()},
        )


def _join(chunks: Sequence[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> Scores:
    maps, scores = (
        {name: torch.cat([chunk[i][name] for chunk in chunks]).numpy() for name in chunks[0][i]}
        for i in (0, 1)
    )
    return Scores(maps.pop(ENSEMBLE), scores.pop(ENSEMBLE), maps, scores)


def _parts(model: Model) -> list[Part]:
    """The two networks of the serving path with inputs of their shapes."""
    preset, scoring = model.preset, model.preset.scoring
    h, w = preset.input_size
    x = torch.zeros(1, scoring.channels, *scoring.size)
    return [
        Part("features", load_feature_net(preset.grid), (torch.zeros(1, 3, h, w),)),
        Part(
            "network",
            unpack_network("network", scoring, model.tensors),
            (x, torch.full((1,), scoring.score_steps[0])),
        ),
    ]
