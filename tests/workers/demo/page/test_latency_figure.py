from xml.etree import ElementTree as Xml

import pytest

from workers.demo.page.figures import latency_figure, spoken
from workers.offline.report.plot import Dot


def test_the_figure_is_well_formed_whatever_the_names() -> None:
    dots = [Dot(0.5, 200.0, "dot bad", "<cam & co>"), Dot(1.5, 90.0, "dot good", "cam-1")]

    latency = Xml.fromstring(latency_figure(dots, 90, 200))  # noqa: S314  (our own)

    assert [circle.findtext("title") for circle in latency.findall("circle")] == [
        *("<cam & co>", "cam-1")
    ]


@pytest.mark.parametrize(("p95", "label"), [(200, "p95 200 ms"), (30_000, "p95 30.0 s")])
def test_long_latencies_are_told_in_seconds(p95: float, label: str) -> None:
    assert label in latency_figure([Dot(0, p95, "dot", "")], p95 / 2, p95)


def test_without_dots_there_is_no_figure() -> None:
    assert latency_figure([], 0, 0) == ""


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(259.4, "259 ms"), (18197.0, "18.2 s"), (None, "-")]
)
def test_tile_and_figure_say_a_latency_alike(milliseconds: float | None, said: str) -> None:
    assert spoken(milliseconds) == said
