"""Tiles' maps -> one map of the canvas without seams; `cutting.py` makes the tiles.

Where tiles overlap, each counts less towards its border: there a network sees least around a
pixel. The ramps of neighbours add up to one, so maps that agree come back as they are.
"""

import torch
from torch import Tensor

from stream_inspector.image.view import cutting
from stream_inspector.image.view.canvas import Size, View


def cut_maps(view: View, maps: Tensor) -> Tensor:
    """Canvas-sized maps [B, ..., H, W] -> [B * T, ..., h, w], in the order of `cut`."""
    h, w = view.tile
    tiles = [maps[..., y : y + h, x : x + w] for y, x in view.corners]
    return torch.stack(tiles, 1).flatten(0, 1)


def merge(view: View, maps: Tensor) -> Tensor:
    """Tiles' maps [B * T, ..., h, w] -> maps of the canvas [B, ..., H, W].

    The maps may be coarser than the tiles by a factor that divides the overlap.
    """
    if len(view.corners) == 1:
        return maps
    coarser = view.tile[0] // maps.shape[-2]
    tiles = maps.reshape(-1, len(view.corners), *maps.shape[1:])
    height, width = (side // coarser for side in view.canvas)
    canvas = maps.new_zeros(*tiles.shape[:1], *tiles.shape[2:-2], height, width)
    weights = torch.from_numpy(cutting.tile_weights(view, coarser)).to(maps)
    h, w = maps.shape[-2:]
    for number, (y, x) in enumerate(view.corners):
        rows = slice(y // coarser, y // coarser + h)
        columns = slice(x // coarser, x // coarser + w)
        canvas[..., rows, columns] += weights[number] * tiles[:, number]
    return canvas


def tile_cells(view: View, grid: Size) -> Tensor:
    """Inspected cells of each tile on its `grid`, [T, h, w]."""
    return torch.from_numpy(cutting.tile_cells(view, grid))


def inspected(features: Tensor, cells: Tensor) -> Tensor:
    """Features [N * T, C, h, w] of the inspected `cells` [T, h, w] of T tiles, [M, C]."""
    tiles = features.movedim(1, -1).reshape(-1, *cells.shape, features.shape[1])
    return tiles[:, cells].flatten(0, 1)
