from xml.etree import ElementTree as Xml

import numpy as np

from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.share import Share
from workers.offline.calibrate.report.figures import rate_figure, score_histogram


def made() -> Calibration:
    maps = np.random.default_rng(0).normal(size=(60, 8, 8)).astype(np.float32)
    return calibrate(maps, maps.max((1, 2)).astype(float), Budget())


def test_the_chosen_point_lies_on_the_curve() -> None:
    curve = [(1e-5, 0.1), (1e-3, 0.5), (0.3, 0.9)]

    figure = Xml.fromstring(rate_figure(curve, 1e-3, Share(0.5, 0.4, 0.6)))  # noqa: S314

    line, dot = figure.find("polyline"), figure.find("circle")
    assert line is not None
    assert dot is not None
    assert line.attrib["points"].split()[1] == f"{dot.attrib['cx']},{dot.attrib['cy']}"
    ticks = [text.text for text in figure.findall("text") if text.text]
    assert ticks[:5] == ["1e-05", "0.0001", "0.001", "0.01", "0.1"]


def test_without_a_curve_there_is_no_figure() -> None:
    assert rate_figure([], 0.1, None) == ""


def test_every_good_score_is_in_a_bar_and_every_defect_a_dot() -> None:
    case = made()

    figure = Xml.fromstring(score_histogram(case, [9.0, 1000.0]))  # noqa: S314

    bars = [bar.findtext("title") or "" for bar in figure.findall("rect")]
    assert sum(int(title.split()[0]) for title in bars) == 60
    assert len(figure.findall("circle")) == 2
    assert max(float(bar.attrib["x"]) for bar in figure.findall("rect")) > 300  # not squeezed
    titles = [line.findtext("title") or "" for line in figure.findall("line")]
    assert f"threshold {case.image_threshold:.3g}" in titles
    assert f"near misses from {case.near_miss_threshold:.3g}" in titles
