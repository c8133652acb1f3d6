"""Pictures as networks see them: colours first, in [-1, 1]; no PyTorch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_inspector.verdict import Image


def to_planes(images: Sequence[Image]) -> NDArray[np.float32]:
    """uint8 [H, W, 3] images -> [N, 3, H, W] in [-1, 1]."""
    stacked = np.stack(images).transpose(0, 3, 1, 2)
    return np.asarray(stacked.astype(np.float32) / np.float32(127.5) - np.float32(1), order="C")


def from_planes(x: NDArray[np.float32]) -> list[Image]:
    """[N, 3, H, W] in [-1, 1] -> uint8 [H, W, 3] images, rounded and clipped."""
    rounded = np.rint((x + np.float32(1)) * np.float32(127.5)).clip(0, 255).astype(np.uint8)
    return list(np.ascontiguousarray(rounded.transpose(0, 2, 3, 1)))
