"""The exact curve against a brute force that tries every threshold."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_inspector.errors import DataError
from stream_inspector.threshold.pro import (
    Maps,
    Masks,
    area_under,
    aupro,
    binarise_mask,
    pixel_auroc,
    pro_at,
    pro_curve,
    rank_pixels,
    roc_auc,
)

Example = tuple[Maps, Masks]


def regions_of(mask: NDArray[np.bool_]) -> list[set[tuple[int, int]]]:
    """8-connected regions by flood filling, pixel by pixel."""
    left, regions = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        todo = [left.pop()]
        region = set(todo)
        while todo:
            y, x = todo.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            region |= near
            todo += near
        regions.append(region)
    return regions


def brute_force_curve(maps: Maps, masks: Masks, least: int = 1) -> NDArray[np.float64]:
    """Every distinct score as a threshold, every region by hand."""
    regions = [
        np.array([maps[(index, *pixel)] for pixel in region])
        for index, mask in enumerate(masks)
        for region in regions_of(mask)
        if len(region) >= least
    ]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        pro = np.mean([(scores >= threshold).mean() for scores in regions])
        points.append((((maps >= threshold) & ~masks).sum() / (~masks).sum(), pro))
    return np.array(points).T


def brute_force_aupro(maps: Maps, masks: Masks, limit: float, least: int = 1) -> float:
    fpr, pro = brute_force_curve(maps, masks, least)
    grid = np.concatenate([fpr[fpr < limit], [limit]])
    tops = [max(pro[fpr == x]) if (fpr == x).any() else np.interp(x, fpr, pro) for x in grid]
    area = 0.0
    for left, right, top in zip(grid[:-1], grid[1:], tops[1:], strict=True):
        start = pro[fpr == left].max()
        end = pro[fpr == right].min() if (fpr == right).any() else top
        area += (right - left) * (start + end) / 2
    return area / limit


def example(seed: int, ties: bool, tail: float) -> Example:
    """Sparse and dense masks; scores from even to so heavy-tailed that a histogram sees nothing."""
    rng = np.random.default_rng(seed)
    masks = rng.random((3, 9, 8)) < rng.choice([0.05, 0.2, 0.5])
    masks[0, :2, :3], masks[1, 1, 1] = True, False
    maps = np.exp(tail * rng.standard_normal(masks.shape)) * (1 + masks)
    maps = np.round(maps * 2) / 2 if ties else maps
    return maps.astype(np.float32), masks


examples = st.builds(example, st.integers(0, 10**6), st.booleans(), st.sampled_from([0.1, 1, 6]))


@settings(max_examples=150, deadline=None)
@given(examples, st.sampled_from([0.05, 0.3, 1.0]), st.sampled_from([1, 2, 6]))
@pytest.mark.slow
def test_aupro_equals_the_brute_force(example: Example, limit: float, least: int) -> None:
    maps, masks = example

    area = area_under(*pro_curve(maps, masks, least), limit)

    assert area == pytest.approx(brute_force_aupro(maps, masks, limit, least))


@settings(max_examples=50, deadline=None)
@given(examples, st.sampled_from([np.log, np.sqrt, lambda x: x**3]))
def test_only_the_order_of_scores_matters(example: Example, monotone: Any) -> None:
    maps, masks = example
    twisted = monotone(maps.astype(np.float64) + 1)

    assert aupro(twisted, masks) == pytest.approx(aupro(maps, masks))


@settings(max_examples=100, deadline=None)
@given(examples)
@pytest.mark.slow
def test_every_brute_force_point_lies_on_the_curve(example: Example) -> None:
    maps, masks = example
    fpr, pro = pro_curve(maps, masks)
    for x, y in brute_force_curve(maps, masks).T:
        left, right = np.searchsorted(fpr, [x - 1e-12, x + 1e-12])
        near = pro[max(0, left - 1) : right + 1]
        assert near.min() - 1e-9 <= y <= near.max() + 1e-9


@settings(max_examples=100, deadline=None)
@given(examples)
def test_the_curve_rises_from_zero_to_one_and_its_area_is_a_share(example: Example) -> None:
    fpr, pro = pro_curve(*example)
    assert (fpr[0], pro[0], fpr[-1], pro[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(pro) >= 0).all()
    assert 0 <= aupro(*example, limit=0.3) <= 1


def test_perfect_and_blind_maps() -> None:
    masks = np.zeros((1, 10, 10), bool)
    masks[0, 2:4, 2:4] = True
    assert aupro(masks.astype(np.float32), masks) == 1
    assert aupro(-masks.astype(np.float32), masks) == 0
    assert aupro(np.zeros((1, 10, 10), np.float32), masks) == pytest.approx(0.15)


def test_each_region_counts_alike_however_large() -> None:
    masks = np.zeros((1, 8, 8), bool)
    masks[0, :4, :4] = True
    masks[0, 7, 7] = True
    maps = np.zeros((1, 8, 8), np.float32)
    maps[0, 7, 7] = 1
    assert pro_curve(maps, masks)[1][2] == pytest.approx(0.5)


def test_diagonal_pixels_are_one_region() -> None:
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[0, 3, 3] = True
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 0] = 1
    assert pro_curve(maps, masks)[1][2] == pytest.approx(0.25)


def test_regions_of_neighbouring_images_stay_apart() -> None:
    masks = np.zeros((2, 3, 3), bool)
    masks[:, 1, 1] = True
    masks[0, 0, 0] = True
    maps = np.zeros((2, 3, 3), np.float32)
    maps[1, 1, 1] = 1
    assert pro_curve(maps, masks)[1][2] == pytest.approx(0.5)


def test_small_regions_are_neither_defect_nor_normal() -> None:
    masks = np.zeros((1, 4, 4), bool)
    masks[0, :2, :2] = masks[0, 3, 3] = True
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, :2, :2], maps[0, 3, 3] = 1, 2

    pixels = rank_pixels(maps, masks)

    assert pixels.auroc(least_area=4) == 1
    assert pixels.pro_curve(least_area=4)[1][2] == 1
    with pytest.raises(DataError, match="no defect region of 5 pixels"):
        pixels.auroc(least_area=5)


@settings(max_examples=50, deadline=None)
@given(examples)
def test_the_curve_read_at_its_corners_is_the_top_of_each_step(example: Example) -> None:
    fpr, pro = pro_curve(*example)
    tops = [pro[fpr == rate].max() for rate in np.unique(fpr)]

    assert pro_at((fpr, pro), np.unique(fpr)).tolist() == tops
    middle = (np.unique(fpr)[:-1] + np.unique(fpr)[1:]) / 2
    assert pro_at((fpr, pro), middle) == pytest.approx(np.interp(middle, fpr, pro))


def test_interpolation_at_the_limit() -> None:
    fpr, pro = np.array([0.0, 0.2, 0.4, 1.0]), np.array([0.0, 0.5, 1.0, 1.0])
    assert area_under(fpr, pro, 0.3) == pytest.approx((0.05 + 0.0625) / 0.3)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1])
def test_a_limit_outside_the_axis_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        area_under(np.array([0.0, 1.0]), np.array([0.0, 1.0]), limit)


@pytest.mark.parametrize("full", [True, False])
def test_masks_of_one_kind_only_are_refused(full: Any) -> None:
    masks = np.full((1, 4, 4), full)
    with pytest.raises(DataError):
        aupro(np.zeros((1, 4, 4), np.float32), masks)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("on_defect", [True, False])
def test_scores_that_are_no_numbers_are_refused(bad: float, on_defect: bool) -> None:
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 0, 0] = True
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 0 if on_defect else 1] = bad
    with pytest.raises(ValueError, match="NaN"):
        aupro(maps, masks)


@settings(max_examples=50, deadline=None)
@given(examples)
def test_pixels_that_are_not_inspected_count_neither_way(example: Example) -> None:
    maps, masks = example
    hidden = maps.copy()
    hidden[:, 5:] = -np.inf

    seen, whole = rank_pixels(hidden, masks), rank_pixels(maps[:, :5], masks[:, :5])

    assert seen.auroc() == pytest.approx(whole.auroc())
    assert area_under(*seen.pro_curve()) == pytest.approx(area_under(*whole.pro_curve()))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="N, H, W"):
        pro_curve(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 5), bool))


@settings(max_examples=100, deadline=None)
@given(examples)
def test_pixel_auroc_counts_pairs(example: Example) -> None:
    maps, masks = example
    good, bad = maps[~masks][None, :], maps[masks][:, None]
    pairs = (bad > good).mean() + (bad == good).mean() / 2
    assert pixel_auroc(maps, masks) == pytest.approx(pairs)


def test_roc_auc_by_hand() -> None:
    scores, labels = np.array([1.0, 2, 2, 3]), np.array([False, False, True, True])
    assert roc_auc(scores, labels) == pytest.approx(3.5 / 4)


def test_roc_auc_needs_both_kinds() -> None:
    with pytest.raises(DataError, match="missing"):
        roc_auc(np.array([1.0, 2]), np.array([True, True]))


def test_classes_of_defects_do_not_weigh_differently() -> None:
    assert binarise_mask(np.array([[1, 0], [3, 0]], np.uint8), (1, 2)).tolist() == [[True, False]]
    assert binarise_mask(np.array([[1, 0], [0, 3]], np.uint8), (2, 2)).sum() == 2


def test_masks_are_cut_at_half_coverage() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[0, :2] = 255  # half of the top left block
    mask[2, 2] = 255  # a quarter of the bottom right one
    assert binarise_mask(mask, (2, 2)).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("full", [1, 3, 255])
def test_masks_of_zero_and_one_and_of_class_numbers_are_read_alike(full: Any) -> None:
    mask = np.full((4, 4), full, np.uint8)
    assert binarise_mask(mask, (2, 2)).all()
    assert binarise_mask(mask.astype(bool), (2, 2)).all()
    assert not binarise_mask(np.zeros((4, 4), np.uint8), (2, 2)).any()
