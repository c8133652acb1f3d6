"""Evidence pictures, pixel by pixel where it matters."""

import io

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.image.pictures import (
    colours,
    encode_png,
    heat_range,
    heatmap,
    outline,
    side_by_side,
)
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image, Region

GREY = np.full((20, 30, 3), 100, np.uint8)
SQUARE = Region(4, 4, 8, 8, ((4, 4), (12, 4), (12, 12), (4, 12)), 64, 1.0)


def test_normal_pixels_stay_as_they_are_and_anomalies_glow() -> None:
    scores = np.zeros((20, 30), np.float32)
    scores[10:, :] = 5.0
    found = heatmap(GREY, scores, 1.0, 5.0)
    assert (found[:10] == GREY[:10]).all()
    assert found[15, 15].tolist() == [222, 224, 151]  # 0.2 x 100 + 0.8 x the last colour


def test_scores_beyond_the_range_are_clipped() -> None:
    low, high = np.full((20, 30), -9, np.float32), np.full((20, 30), 99, np.float32)
    assert (heatmap(GREY, low, 0.0, 1.0) == GREY).all()
    assert (heatmap(GREY, high, 0.0, 1.0) == heatmap(GREY, np.ones_like(high), 0.0, 1.0)).all()


def test_a_small_map_is_enlarged() -> None:
    assert heatmap(GREY, np.eye(4, dtype=np.float32), 0.0, 1.0).shape == GREY.shape


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="vmax"):
        heatmap(GREY, np.zeros((20, 30), np.float32), 1.0, 1.0)


@pytest.mark.parametrize("threshold", [-2.0, 0.0, 1e-9, 3.0])
def test_the_threshold_lies_inside_its_heat_range(threshold: float) -> None:
    low, high = heat_range(threshold)
    assert low < threshold < high


def test_colours_grow_brighter() -> None:
    levels = colours(np.linspace(0, 1, 50, dtype=np.float32))
    assert (np.diff(levels @ [0.2126, 0.7152, 0.0722]) > 0).all()


def changed(picture: Image) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((picture != GREY).any(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_an_outline_runs_around_its_region() -> None:
    found = outline(GREY, [SQUARE])
    assert found[4, 8].tolist() == [255, 64, 64]
    assert found[8, 8].tolist() == [100, 100, 100]
    left, top, right, bottom = changed(found)
    assert 2 <= left <= 4
    assert 2 <= top <= 4
    assert 12 <= right <= 14
    assert 12 <= bottom <= 14


def test_outlines_are_scaled_from_the_original_frame() -> None:
    doubled = Region(8, 8, 16, 16, tuple((2 * x, 2 * y) for x, y in SQUARE.polygon), 256, 1.0)
    found = outline(GREY, [doubled], View(GREY.shape[:2]).place((60, 40)))
    assert (found == outline(GREY, [SQUARE])).all()


def test_the_frame_itself_is_not_drawn_on() -> None:
    outline(GREY, [SQUARE])
    assert (GREY == 100).all()


def test_side_by_side_keeps_order_and_proportions() -> None:
    sheet = side_by_side([("a", GREY), ("b", np.full((40, 20, 3), 7, np.uint8))], height=40)
    assert sheet.shape == (40 + 22 + 16, 60 + 20 + 24, 3)
    assert sheet[50, 30].tolist() == [100] * 3
    assert sheet[50, 86].tolist() == [7] * 3


def test_side_by_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        side_by_side([])


def test_png_is_lossless() -> None:
    assert (np.asarray(Pil.open(io.BytesIO(encode_png(GREY)))) == GREY).all()
