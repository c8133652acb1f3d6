"""Canvas -> tiles for the networks, and how much each tile's cells count; no PyTorch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image


def cut(view: View, images: Sequence[Image]) -> list[Image]:
    """Canvases [H, W, 3] -> tiles [h, w, 3], all of one canvas after another, row by row."""
    h, w = view.tile
    return [image[y : y + h, x : x + w] for image in images for y, x in view.corners]


def ramps(count: int, side: int, shared: int) -> NDArray[np.float32]:
    """Weights of `count` tiles along one axis, [count, side]; sin^2 + cos^2 = 1 in the overlaps."""
    weights = np.ones((count, side), np.float32)
    if shared:
        rise = np.sin((np.arange(shared) + 0.5) / shared * np.pi / 2) ** 2
        weights[1:, :shared] = rise
        weights[:-1, side - shared :] = rise[::-1]
    return weights
