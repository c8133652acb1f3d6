"""PaDiM (Defard et al. 2021): a Gaussian per position of pooled, randomly chosen channels.

Same frozen features, grid, enlargement and image score as the detector; no network, no
normalisation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stream_inspector.features import FeatureNet, load_feature_net, to_tensor
from stream_inspector.presets import GaussianPlan, Preset
from stream_inspector.score.ensemble import enlarge, image_scores
from stream_inspector.score.mahalanobis import Gaussians, fit_gaussians
from stream_inspector.verdict import Image

CHANNELS = 100  # of 176, drawn at random as in the paper
_PLAN = GaussianPlan(block=1, margin=0, shrink=0.2)
_CHUNK = 8


@dataclass(frozen=True, eq=False)
class Padim:
    """A fitted baseline."""

    preset: Preset
    net: FeatureNet
    picked: Tensor  # [CHANNELS], int64
    gaussians: Gaussians

    def score(self, images: Sequence[Image]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Distance maps [N, H, W] at the input size, and image scores [N]."""
        size, sigma = self.preset.input_size, self.preset.smoothing
        with torch.inference_mode():
            maps = torch.cat(
                [
                    enlarge(self.gaussians.maps(chunk), size, sigma)
                    for chunk in _features(self.net, images, self.picked)
                ]
            )
        return maps.numpy(), image_scores(maps, self.preset.top_pixels).numpy()


def fit_padim(images: Sequence[Image], preset: Preset, seed: int = 0) -> Padim:
    """Fit to good images [h, w, 3] at preset.input_size."""
    generator = torch.Generator().manual_seed(seed)
    net = load_feature_net(preset.grid)
    picked = torch.randperm(net.channels, generator=generator)[:CHANNELS].sort().values
    with torch.inference_mode():
        features = torch.cat(_features(net, images, picked))
    return Padim(preset, net, picked, fit_gaussians(features, _PLAN))


def _features(net: FeatureNet, images: Sequence[Image], picked: Tensor) -> list[Tensor]:
    """Chosen channels pooled over 3x3 positions, in chunks [B, 100, h, w]."""
    return [
        nn.functional.avg_pool2d(
            net(to_tensor(images[i : i + _CHUNK]))[:, picked],
            kernel_size=3,
            stride=1,
            padding=1,
            count_include_pad=False,
        )
        for i in range(0, len(images), _CHUNK)
    ]
