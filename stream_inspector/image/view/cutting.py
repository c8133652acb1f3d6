"""Canvas -> tiles for the networks and back, and how much each tile's cells count; no PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.image.view.canvas import Size, View
from stream_inspector.verdict import Image


def cut(view: View, images: Sequence[Image]) -> list[Image]:
    """Canvases [H, W, 3] -> tiles [h, w, 3], all of one canvas after another, row by row."""
    h, w = view.tile
    return [image[y : y + h, x : x + w] for image in images for y, x in view.corners]


def cut_maps(view: View, maps: NDArray[Any]) -> NDArray[Any]:
    """A canvas-sized map [..., H, W] -> its tiles' [T, ..., h, w], in the order of `cut`."""
    h, w = view.tile
    return np.stack([maps[..., y : y + h, x : x + w] for y, x in view.corners])


def merged(view: View, tiles: Sequence[Image]) -> Image:
    """The inverse of `cut` for one canvas: tiles that overlap are blended."""
    if len(tiles) == 1:
        return tiles[0]
    (h, w), weights = view.tile, tile_weights(view)
    canvas = np.zeros((*view.canvas, 3), np.float32)
    for (y, x), weight, tile in zip(view.corners, weights, tiles, strict=True):
        canvas[y : y + h, x : x + w] += weight[..., None] * tile
    return np.rint(canvas).clip(0, 255).astype(np.uint8)


def tile_cells(view: View, grid: Size) -> NDArray[np.bool_]:
    """Inspected cells of each tile on its `grid`, [T, h, w]."""
    h, w = grid
    step_y, step_x = view.tile[0] // h, view.tile[1] // w
    cells = view.cells((view.canvas[0] // step_y, view.canvas[1] // step_x))
    return np.stack([cells[y // step_y :, x // step_x :][:h, :w] for y, x in view.corners])


def tile_weights(view: View, coarser: int = 1) -> NDArray[np.float32]:
    """How much each tile counts at each of its cells, [T, h, w]."""
    rows = ramps(view.rows, view.tile[0] // coarser, view.overlap[0] // coarser)
    columns = ramps(view.columns, view.tile[1] // coarser, view.overlap[1] // coarser)
    both = rows[:, None, :, None] * columns[None, :, None, :]
    return np.asarray(both.reshape(-1, *both.shape[2:]))


def ramps(count: int, side: int, shared: int) -> NDArray[np.float32]:
    """Weights of `count` tiles along one axis, [count, side]; sin^2 + cos^2 = 1 in the overlaps."""
    weights = np.ones((count, side), np.float32)
    if shared:
        rise = np.sin((np.arange(shared) + 0.5) / shared * np.pi / 2) ** 2
        weights[1:, :shared] = rise
        weights[:-1, side - shared :] = rise[::-1]
    return weights
