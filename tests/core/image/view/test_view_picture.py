import numpy as np

from stream_inspector.image.view.canvas import View, runs
from stream_inspector.image.view.picture import draw_view

FRAME = np.full((120, 160, 3), 200, np.uint8)


def test_outside_the_region_it_is_dark() -> None:
    drawn = draw_view(FRAME, View((64, 64), region=(0.5, 0.0, 1.0, 1.0)))
    assert (drawn[:, :79] == 70).all()
    assert (drawn[5:115, 85:155] == 200).all()


def test_what_is_ignored_is_hatched_where_it_lies_in_the_frame() -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[:32, 32:] = True
    drawn = draw_view(FRAME, View((64, 64), ignored=runs(ignored)))
    red = (drawn == (255, 70, 70)).all(axis=2)
    assert 0.2 < red[2:60, 82:158].mean() < 0.6
    assert not red[60:].any()
    assert not red[:, :80].any()


def test_each_tile_has_an_outline() -> None:
    drawn = draw_view(FRAME, View((64, 64), columns=2, overlap=(0, 16)))
    yellow = (drawn == (255, 200, 0)).all(axis=2)
    tall = np.flatnonzero(yellow.mean(axis=0) > 0.8)  # columns that are an edge
    edges = [60 / 112 * 160 * 0.8, 64 / 112 * 160]  # of the overlap, about
    assert len(tall) == 4
    assert tall[1] > edges[0] * 0.9
    assert tall[2] < edges[1] * 1.1


def test_padding_does_not_show_on_the_frame() -> None:
    drawn = draw_view(FRAME, View((64, 64), content=(32, 64)))
    assert (drawn[5:-5, 5:-5] == 200).all()
