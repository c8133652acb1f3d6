"""The geometry of a view: what is inspected, and where it lies in the frame."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_inspector.image.view.canvas import GREY, View, runs

HALF = View((64, 64), region=(0.5, 0.25, 1.0, 0.75))


@st.composite
def views(draw: st.DrawFn) -> View:
    """Views of every kind that are valid."""
    tile = (16 * draw(st.integers(2, 4)), 16 * draw(st.integers(2, 4)))
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    overlap = (16 if rows > 1 else 0, 16 if columns > 1 else 0)
    whole = View(tile, rows, columns, overlap)
    x = sorted(draw(st.tuples(st.floats(0, 0.45), st.floats(0.55, 1))))
    y = sorted(draw(st.tuples(st.floats(0, 0.45), st.floats(0.55, 1))))
    content = tuple(draw(st.integers(1, side)) for side in whole.canvas)
    return View(tile, rows, columns, overlap, (x[0], y[0], x[1], y[1]), content)


def test_the_whole_frame_is_the_default() -> None:
    view = View((64, 96))
    assert view.canvas == (64, 96)
    assert view.complete
    assert view.place((192, 64)).to_frame(96, 64) == (192, 64)


def test_tiles_cover_the_canvas_and_share_their_overlap() -> None:
    view = View((64, 48), rows=2, columns=3, overlap=(16, 16))
    assert view.canvas == (112, 112)
    assert view.corners == ((0, 0), (0, 32), (0, 64), (48, 0), (48, 32), (48, 64))


def test_a_region_lies_where_it_was_cut_out() -> None:
    place = HALF.place((200, 80))
    assert place.to_frame(0, 0) == (100, 20)
    assert place.to_frame(64, 64) == (200, 60)


def test_padding_is_not_inspected_and_lies_outside_the_region() -> None:
    view = View((64, 64), content=(32, 64))
    assert view.inside == (slice(16, 48), slice(0, 64))
    assert view.valid.sum() == 32 * 64
    assert view.place((128, 64)).to_frame(0, 16) == (0, 0)


@given(views(), st.integers(20, 4000), st.integers(20, 4000))
def test_places_go_to_the_frame_and_back(view: View, width: int, height: int) -> None:
    place = view.place((width, height))
    for x, y in ((0, 0), (7, 13), view.canvas[::-1]):
        assert place.to_canvas(*place.to_frame(x, y)) == pytest.approx((x, y), abs=0.1)
    rows, columns = view.inside
    left, top, right, bottom = view.crop((width, height))
    assert place.to_frame(columns.start, rows.start) == pytest.approx((left, top), abs=1e-2)
    assert place.to_frame(columns.stop, rows.stop) == pytest.approx((right, bottom), abs=1e-2)


def test_what_is_ignored_is_not_inspected_and_turns_grey() -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[3:5, 60:] = True
    view = View((64, 64), ignored=runs(ignored))
    assert (view.valid == ~ignored).all()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    prepared = view.prepare(image)
    assert (prepared[ignored] == GREY).all()
    assert (prepared[~ignored] == image[~ignored]).all()


@given(st.integers(0, 2**20 - 1))
def test_runs_tell_any_mask(bits: int) -> None:
    mask = np.array([bits >> k & 1 for k in range(20)], bool).reshape(4, 5)
    lengths = runs(mask)
    values = np.arange(len(lengths)) % 2 == 1
    assert (np.repeat(values, lengths).reshape(4, 5) == mask).all() if bits else lengths == ()


def test_a_cell_counts_when_one_of_its_pixels_does() -> None:
    ignored = np.zeros((32, 32), bool)
    ignored[:16, :15] = True  # one column short of two cells
    cells = View((32, 32), ignored=runs(ignored)).cells((4, 4))
    assert cells.tolist() == [[False, True, True, True]] * 2 + [[True] * 4] * 2


def test_masked_maps_have_no_score_outside() -> None:
    view = View((64, 64), content=(32, 64))
    maps = view.masked(np.ones((2, 64, 64), np.float32))
    assert maps.dtype == np.float32
    assert (np.isneginf(maps) == ~view.valid).all()


@given(views())
def test_a_view_survives_json(view: View) -> None:
    assert View.from_dict(json.loads(json.dumps(view.to_dict()))) == view


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 4, "columns": 4, "overlap": (16, 16)}, "at most 12"),
        ({"rows": 2, "overlap": (8, 0)}, "divides by 16"),
        ({"rows": 2, "overlap": (48, 0)}, "half a tile"),
        ({"region": (0.5, 0.0, 0.5, 1.0)}, "does not lie in the frame"),
        ({"region": (0.0, 0.0, 1.5, 1.0)}, "does not lie in the frame"),
        ({"content": (65, 64)}, "does not fit"),
        ({"ignored": (10, 20)}, "another canvas"),
        ({"ignored": (0, 64 * 64)}, "nothing is left"),
        ({"tile": (0, 64)}, "no tiles"),
        ({"tile": (8000, 8000)}, "a canvas of"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        View(**{"tile": (64, 64), **wrong})
