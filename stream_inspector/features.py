"""Frozen features: what the feature, Mahalanobis and feature-diffusion scores look at.

Which network makes them is a row of the preset (RAN section C: EfficientNet-B4; EfficientNet-Lite0
in the presets for processors).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from stream_inspector.backbones import bare_body, body, packaged_weights
from stream_inspector.errors import ModelCorrupt
from stream_inspector.packaged import is_packaged
from stream_inspector.presets import LITE0, Backbone
from stream_inspector.verdict import Image


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
    """A backbone's levels, brought to one grid."""

    def __init__(self, grid: tuple[int, int], backbone: Backbone = LITE0) -> None:
        super().__init__()
        self.grid, self.backbone = grid, backbone
        # Weights from a package replace all there are; of other networks it is not known whether
        # all that they compute with is among their weights.
        self.body = bare_body(backbone) if is_packaged(backbone) else body(backbone)
        # of x in [-1, 1]: (x / 2 + 1 / 2 - mean) / deviation
        self._scale = [1 / (2 * deviation) for deviation in backbone.deviation]
        pairs = zip(backbone.mean, backbone.deviation, strict=True)
        self._shift = [(0.5 - mean) / deviation for mean, deviation in pairs]

    def forward(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] [B, 3, H, W] -> features [B, C, h, w]."""
        maps = [
            nn.functional.interpolate(level, size=self.grid, mode="bilinear", align_corners=False)
            for level in self.body(self._fitted(self._normalised(x)))
        ]
        return torch.cat(maps, dim=1)

    def _normalised(self, x: Tensor) -> Tensor:
        """Pixels as the network was trained on them."""
        if set(self._scale) == {1.0} and set(self._shift) == {0.0}:
            return x
        scale, shift = (x.new_tensor(each)[:, None, None] for each in (self._scale, self._shift))
        return x * scale + shift

    def _fitted(self, x: Tensor) -> Tensor:
        """Images whose sides divide by the network's patches, enlarged a little if need be."""
        patch = self.backbone.patch
        h, w = (-(-side // patch) * patch for side in x.shape[2:])
        return resized(x, (h, w))


def load_feature_net(
    grid: tuple[int, int],
    backbone: Backbone = LITE0,
    weights: Mapping[str, Tensor] | None = None,
) -> FeatureNet:
    """The network with its weights (None: those of its package), frozen, in evaluation mode.

    Raises ModelUnsupported without a package, ModelCorrupt when the weights do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        net = FeatureNet(grid, backbone)
    state = packaged_weights(backbone) if weights is None else weights
    try:
        net.body.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelCorrupt(
            f"the weights backbone.* do not fit timm's {backbone.architecture}: {error}"
        ) from error
    return net.requires_grad_(requires_grad=False).eval()
