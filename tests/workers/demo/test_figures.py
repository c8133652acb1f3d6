from xml.etree import ElementTree as Xml

import pytest

from workers.demo.figures import Axis, Dot, jitter, latency_figure, score_figure


@pytest.mark.parametrize(("value", "pixel"), [(0, 10), (5, 60), (10, 110), (99, 110), (-1, 10)])
def test_an_axis_maps_values_onto_pixels_and_clips(value: float, pixel: float) -> None:
    assert Axis(0, 10, 10, 110).at(value) == pixel


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axis = Axis(1, 100, 0, 200, log=True)

    assert [axis.at(value) for value in (1, 10, 100)] == [0, 100, 200]
    assert axis.ticks() == [1, 3, 10, 30, 100]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 10, [0, 5, 10]), (0, 0.3, [0, 0.1, 0.2, 0.3]), (90, 430, [100, 200, 300, 400])],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Axis(low, high, 0, 1).ticks() == ticks


def test_figures_are_well_formed_whatever_the_names() -> None:
    dots = [Dot(0.5, 200.0, "dot bad", "<cam & co>"), Dot(1.5, 90.0, "dot good", "cam-1")]

    latency = Xml.fromstring(latency_figure(dots, 90, 200))  # noqa: S314  (our own)
    scores = Xml.fromstring(score_figure(dots, 1.0, ["<script>", "good"]))  # noqa: S314

    assert len(latency.findall("circle")) == len(scores.findall("circle")) == 2
    assert latency.findall("circle")[0].findtext("title") == "<cam & co>"


@pytest.mark.parametrize(("p95", "label"), [(200, "p95 200 ms"), (30_000, "p95 30.0 s")])
def test_long_latencies_are_told_in_seconds(p95: float, label: str) -> None:
    assert label in latency_figure([Dot(0, p95, "dot", "")], p95 / 2, p95)


def test_without_dots_there_is_no_figure() -> None:
    assert latency_figure([], 0, 0) == score_figure([], 1, []) == ""


def test_jitter_stays_inside_a_row() -> None:
    assert all(abs(jitter(index)) <= 0.3 for index in range(1000))
