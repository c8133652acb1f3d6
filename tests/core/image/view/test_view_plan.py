"""From a category's wishes to the view of frames of one size."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.plan import Ignored, ViewPlan

PREFERRED = (64, 64)


def test_no_wishes_squeeze_the_whole_frame() -> None:
    assert ViewPlan().view(PREFERRED, (1500, 1000)) == View(PREFERRED, upright=True, bits=0)


def test_padding_keeps_the_shape_of_the_region() -> None:
    view = ViewPlan(keep_aspect=True).view(PREFERRED, (1500, 1000))
    assert view.content == (43, 64)
    place = view.place((1500, 1000))
    assert place.scale[0] == pytest.approx(place.scale[1], rel=0.02)
    assert ViewPlan(keep_aspect=True).view(PREFERRED, (500, 1000)).content == (64, 32)


def test_auto_follows_the_shape_at_the_presets_pixel_count() -> None:
    height, width = ViewPlan(input_size="auto").view((320, 320), (1500, 1000)).tile
    assert (height, width) == (256, 384)
    region = ViewPlan(region=(0.0, 0.4, 1.0, 0.6), input_size="auto")
    assert region.view((320, 320), (1000, 1000)).tile == (144, 720)


def test_auto_gives_the_canvas_of_tiles_the_shape_of_the_region() -> None:
    plan = ViewPlan(input_size="auto", rows=1, columns=3)
    height, width = plan.view((320, 320), (3000, 1000)).canvas
    assert width / height == pytest.approx(3, rel=0.1)


def test_an_input_size_must_divide_by_16_and_says_which_does() -> None:
    with pytest.raises(ValueError, match="100 does not divide by 16; take 96"):
        ViewPlan(input_size=(96, 100)).view(PREFERRED, (100, 100))


@pytest.mark.parametrize(
    ("overlap", "pixels"), [(0.25, (32, 48)), (0.01, (16, 16)), (0.5, (64, 96)), (0.3, (32, 64))]
)
def test_overlaps_lie_on_the_grid(overlap: float, pixels: tuple[int, int]) -> None:
    plan = ViewPlan(input_size=(128, 192), rows=2, columns=2, overlap=overlap)
    assert plan.view(PREFERRED, (100, 100)).overlap == pixels


@pytest.mark.parametrize(
    "ignored",
    [
        Ignored(rectangles=((0.25, 0.5, 0.5, 1.0),)),
        Ignored(polygons=(((0.25, 0.5), (0.5, 0.5), (0.5, 1.0), (0.25, 1.0)),)),
        Ignored(mask=np.kron(np.array([[0, 0, 0, 0], [0, 1, 0, 0]]), np.ones((50, 30))) > 0),
    ],
)
def test_all_three_ways_of_ignoring_agree(ignored: Ignored) -> None:
    view = ViewPlan(ignored=ignored).view(PREFERRED, (400, 300))
    expected = np.zeros(PREFERRED, bool)
    expected[32:, 16:32] = True
    disagree = ~view.valid ^ expected
    assert not disagree[:, :14].any()
    assert disagree.sum() <= 48 + 16  # a polygon's far edges belong to it


def test_places_are_those_of_the_frame_also_under_region_and_padding() -> None:
    plan = ViewPlan(
        region=(0.5, 0.0, 1.0, 1.0), ignored=Ignored(((0.5, 0.0, 0.75, 0.5),)), keep_aspect=True
    )
    view = plan.view(PREFERRED, (400, 100))  # the region is 200 x 100: padded above and below
    assert view.inside == (slice(16, 48), slice(0, 64))
    found = np.zeros(PREFERRED, bool)
    found[16:32, :32] = True
    assert (view.valid == ~found)[view.inside].all()


def test_a_thin_line_of_a_fine_mask_is_not_lost() -> None:
    mask = np.zeros((1000, 1000), bool)
    mask[:, 501] = True
    view = ViewPlan(ignored=Ignored(mask=mask)).view(PREFERRED, (1000, 1000))
    assert (~view.valid).any(axis=1).all()


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"ignored": Ignored(((0.0, 0.0, 1.0, 1.0),))}, "nothing is left"),
        ({"rows": 5, "columns": 5}, "at most 12"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViewPlan(**wishes).view(PREFERRED, (100, 100))


@pytest.mark.parametrize(
    ("smallest", "frame", "tiles"),
    [
        (30.0, (1200, 1200), (1, 1)),  # 8 of 320 pixels
        (29.0, (1200, 1200), (1, 2)),
        (20.0, (1200, 1200), (2, 2)),
        (20.0, (2400, 1200), (2, 3)),
        (20.0, (2400, 600), (1, 3)),
    ],
)
def test_the_fewest_tiles_that_show_a_defect_are_taken(
    smallest: float, frame: tuple[int, int], tiles: tuple[int, int]
) -> None:
    view = ViewPlan(input_size="auto", smallest_defect=smallest).view((320, 320), frame)
    assert (view.rows, view.columns) == tiles
    assert smallest / max(view.place(frame).scale) >= 8 - 1e-6


def test_a_region_shows_the_same_defect_with_fewer_tiles() -> None:
    plan = ViewPlan(input_size="auto", smallest_defect=15.0)
    whole, half = (
        replace(plan, region=region).view((320, 320), (1200, 1200))
        for region in ((0.0, 0.0, 1.0, 1.0), (0.25, 0.25, 0.75, 0.75))
    )
    assert whole.rows * whole.columns == 6
    assert half.rows * half.columns == 1


def test_a_defect_that_no_tiles_show_is_refused_with_the_one_that_they_would() -> None:
    plan = ViewPlan(input_size="auto", smallest_defect=3.0)
    with pytest.raises(
        ValueError, match=r"3 pixels of 4000 x 3000 are .* with 12 tiles"
    ) as refused:
        plan.view((320, 320), (4000, 3000))
    needed = re.findall(r"which (\d+) would have", str(refused.value))
    replace(plan, smallest_defect=float(needed[0])).view((320, 320), (4000, 3000))
