"""Cutting and merging: no seams, nothing lost."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stream_inspector.image.view.canvas import View, runs
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import cut_maps, merge, tile_cells

GRID_VIEW = View((64, 64), rows=2, columns=3, overlap=(16, 32))


@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([16, 32]), st.sampled_from([1, 4, 8]))
def test_maps_that_agree_come_back_as_they_are(
    rows: int, columns: int, overlap: int, coarser: int
) -> None:
    view = View((64, 80), rows, columns, (overlap * (rows > 1), overlap * (columns > 1)))
    h, w = (side // coarser for side in view.canvas)
    map_of_canvas = torch.rand(2, h, w, generator=torch.Generator().manual_seed(0))
    tiles = torch.stack(
        [
            map_of_canvas[:, y // coarser :, x // coarser :][:, : 64 // coarser, : 80 // coarser]
            for y, x in view.corners
        ],
        1,
    )
    merged = merge(view, tiles.flatten(0, 1))
    torch.testing.assert_close(merged, map_of_canvas)


def test_tiles_that_disagree_blend_without_a_jump() -> None:
    levels = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])  # as far apart as neighbours can be
    merged = merge(GRID_VIEW, levels[:, None, None].expand(6, 16, 16).contiguous())[0]
    steps = max(float(merged.diff(dim=axis).abs().max()) for axis in (0, 1))
    assert steps < 0.6  # an overlap of 16 pixels has four cells of 4 pixels
    assert merged.min() == 0
    assert merged.max() == 1


def test_without_an_overlap_tiles_lie_side_by_side() -> None:
    view = View((16, 16), columns=2)
    merged = merge(view, torch.tensor([1.0, 2.0])[:, None, None].expand(2, 2, 2).contiguous())
    assert merged.tolist() == [[[1, 1, 2, 2]] * 2]


def test_channels_merge_too() -> None:
    canvas = torch.rand(2, 3, *GRID_VIEW.canvas)
    torch.testing.assert_close(merge(GRID_VIEW, cut_maps(GRID_VIEW, canvas)), canvas)


def test_images_and_maps_are_cut_in_the_same_order() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (2, *GRID_VIEW.canvas, 3), np.uint8))
    tiles = cut(GRID_VIEW, images)
    assert len(tiles) == 12
    assert all(tile.shape == (64, 64, 3) for tile in tiles)
    as_maps = torch.from_numpy(np.stack(images)).movedim(-1, 1)
    assert torch.equal(
        cut_maps(GRID_VIEW, as_maps).movedim(1, -1), torch.from_numpy(np.stack(tiles))
    )


def test_each_tile_knows_its_inspected_cells() -> None:
    ignored = np.zeros(GRID_VIEW.canvas, bool)
    ignored[:, :40] = True  # the first tile starts at column 0, the second at 32
    cells = tile_cells(View((64, 64), 2, 3, (16, 32), ignored=runs(ignored)), (8, 8))
    assert cells.shape == (6, 8, 8)
    assert cells.float().mean((1, 2)).tolist() == pytest.approx([3 / 8, 7 / 8, 1] * 2)
