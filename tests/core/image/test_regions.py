"""Regions of a map: exact outlines, the original frame's pixels, and bounds on everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.image.regions import (
    MOST_POINTS,
    MOST_REGIONS,
    Point,
    find_regions,
    outline,
    peak_region,
    simplify,
)
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Region, ScoreMap


def regions(
    scores: ScoreMap, threshold: float, min_area: int, frame: tuple[int, int]
) -> tuple[Region, ...]:
    """Regions of a map that shows the whole of a frame (width, height)."""
    return find_regions(scores, threshold, min_area, View(scores.shape).place(frame))


def drawn(text: str) -> NDArray[np.bool_]:
    return np.array([[char == "#" for char in line] for line in text.split()])


def signed_area(points: list[Point]) -> float:
    """Shoelace formula; positive when clockwise in image coordinates (y down)."""
    x, y = np.array(points).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def filled(points: list[Point], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre has an odd number of outline edges to its right."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    crossings = np.zeros(shape, int)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if x0 == x1:
            crossings += (columns < x0) & (rows > min(y0, y1)) & (rows < max(y0, y1))
    return crossings % 2 == 1


def largest_component(seed: int) -> NDArray[np.bool_]:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((14, 17)), 0.8)
    labels, _ = ndimage.label(noise > 0.1, np.ones((3, 3)))
    return np.asarray(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def test_one_pixel_is_a_square_clockwise_from_its_top_left() -> None:
    assert outline(drawn("... .#. ...")) == [(1, 1), (2, 1), (2, 2), (1, 2)]


def test_collinear_edges_are_merged() -> None:
    assert outline(drawn("### ###")) == [(0, 0), (3, 0), (3, 2), (0, 2)]


def test_diagonal_neighbours_share_one_outline() -> None:
    found = outline(drawn("#. .#"))
    assert found == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)]


def test_the_other_diagonal_too() -> None:
    assert (filled(outline(drawn(".# #.")), (2, 2)) == drawn(".# #.")).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6))
def test_an_outline_encloses_the_region_and_its_holes(seed: int) -> None:
    mask = largest_component(seed)
    points = outline(mask)
    whole = ndimage.binary_fill_holes(mask)  # holes are 4-connected background
    assert (filled(points, mask.shape) == whole).all()
    assert signed_area(points) == whole.sum()


def test_simplifying_keeps_a_disc_a_disc() -> None:
    y, x = np.mgrid[:80, :80]
    mask = np.hypot(x - 40, y - 40) < 35
    points = simplify(outline(mask))
    assert len(points) <= MOST_POINTS
    assert signed_area(points) == pytest.approx(mask.sum(), rel=0.05)


def test_small_outlines_stay_exact() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert simplify(square) == square


def test_an_outline_that_would_collapse_becomes_its_box() -> None:
    points = simplify(outline(np.eye(200, dtype=bool)))
    assert points == [(0, 0), (200, 0), (200, 200), (0, 200)]


@pytest.mark.parametrize("seed", range(5))
def test_even_a_ragged_outline_is_bounded(seed: int) -> None:
    noise = np.random.default_rng(seed).random((100, 100)) < 0.6
    labels, _ = ndimage.label(noise, np.ones((3, 3)))
    mask = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    assert 4 <= len(simplify(outline(mask))) <= MOST_POINTS


def two_blobs() -> ScoreMap:
    scores = np.zeros((10, 20), np.float32)
    scores[1:3, 2:5] = 2.0
    scores[6:9, 10:14] = [3, 4, 3, 3]
    scores[0, 19] = 9.0  # a single pixel
    return scores


def test_regions_are_told_in_pixels_of_the_original() -> None:
    low, high = sorted(regions(two_blobs(), 1.0, 2, (200, 50)), key=lambda r: r.peak_score)
    assert (low.x, low.y, low.width, low.height) == (20, 5, 30, 10)
    assert low.polygon == ((20, 5), (50, 5), (50, 15), (20, 15))
    assert low.area_px == 6 * 10 * 5
    assert (high.x, high.y, high.peak_score) == (100, 30, 4.0)


def test_the_highest_peak_comes_first() -> None:
    peaks = [region.peak_score for region in regions(two_blobs(), 1.0, 1, (20, 10))]
    assert peaks == [9.0, 4.0, 2.0]


@pytest.mark.parametrize(("min_area", "count"), [(1, 3), (2, 2), (6, 2), (7, 1), (13, 0)])
def test_small_regions_are_speckle(min_area: int, count: int) -> None:
    assert len(regions(two_blobs(), 1.0, min_area, (20, 10))) == count


def test_a_score_equal_to_the_threshold_is_not_above_it() -> None:
    assert len(regions(two_blobs(), 2.0, 1, (20, 10))) == 2


def test_no_region_at_all() -> None:
    assert regions(two_blobs(), 10.0, 1, (20, 10)) == ()


def test_boxes_and_outlines_stay_inside_the_frame() -> None:
    scores = np.ones((7, 7), np.float32)
    (region,) = regions(scores, 0.5, 1, (100, 33))
    assert (region.x, region.y, region.width, region.height) == (0, 0, 100, 33)
    assert all(0 <= x < 100 and 0 <= y < 33 for x, y in region.polygon)


def test_the_number_of_regions_is_bounded_to_the_strongest() -> None:
    scores = np.zeros((40, 40), np.float32)
    scores[::2, ::2] = np.arange(400, dtype=np.float32).reshape(20, 20) + 1
    found = regions(scores, 0.5, 1, (40, 40))
    assert [region.peak_score for region in found] == list(range(400, 400 - MOST_REGIONS, -1))


def test_a_map_larger_than_the_frame_still_gives_boxes() -> None:
    (region,) = regions(np.pad(np.ones((1, 1), np.float32), 5), 0.5, 1, (3, 3))
    assert (region.width, region.height, region.area_px) == (1, 1, 1)


def test_the_peak_region_reaches_down_to_half_height() -> None:
    scores = np.zeros((9, 9), np.float32)
    scores[4, 2:7] = [1, 2, 4, 2.5, 1]
    scores[0, 0] = 3  # another hill
    region = peak_region(scores, View((9, 9)).place((9, 9)))
    assert (region.x, region.y, region.width, region.height) == (3, 4, 3, 1)
    assert region.peak_score == 4


def test_a_flat_map_has_a_peak_region_too() -> None:
    region = peak_region(np.full((4, 4), 2, np.float32), View((4, 4)).place((8, 8)))
    assert (region.width, region.height) == (8, 8)
