from xml.etree import ElementTree as Xml

import pytest

from workers.offline.evaluate.report.figures import jitter, pro_figure, score_figure
from workers.offline.report.plot import Axis, Dot
from workers.offline.scoring.ranking import CURVE_RATES


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


def test_scores_are_well_formed_whatever_the_names() -> None:
    dots = [Dot(0.5, 200.0, "dot bad", "<cam & co>"), Dot(1.5, 90.0, "dot good", "cam-1")]

    scores = Xml.fromstring(score_figure(dots, 1.0, ["<script>", "good"]))  # noqa: S314

    assert [circle.findtext("title") for circle in scores.findall("circle")] == [
        *("<cam & co>", "cam-1")
    ]


def test_a_curve_is_drawn_for_each_member_that_has_one() -> None:
    rising = [float(rate) for rate in CURVE_RATES / 0.3]

    figure = Xml.fromstring(pro_figure({"a<b": rising, "kl": [1.0] * len(rising), "none": ()}))  # noqa: S314

    lines = {line.findtext("title"): line.attrib for line in figure.findall("polyline")}
    assert set(lines) == {"a<b", "kl"}
    assert "c0" in lines["a<b"]["class"]
    assert lines["a<b"]["points"].split()[0] == "52.0,160.0"  # no false positive, nothing found
    assert lines["a<b"]["points"].split()[-1] == "508.0,12.0"
    assert figure.findall("polyline")[-1].findtext("title") == "a<b"  # drawn over the others


def test_without_data_there_is_no_figure() -> None:
    assert score_figure([], 1, []) == pro_figure({"kl": ()}) == ""


def test_jitter_stays_inside_a_row() -> None:
    assert all(abs(jitter(index)) <= 0.3 for index in range(1000))


def test_names_of_rows_fit_beside_them() -> None:
    """Some 9 units a character on a phone, whose text is larger within the same figure."""
    kind = "bent_lead_of_the_left_foot_upper_side"
    drawn = score_figure([Dot(1.0, 0, "dot", "a")], 1.0, [kind, "good"])
    for row in Xml.fromstring(drawn).findall("text[@text-anchor='end']"):  # noqa: S314
        assert 9 * len(row.text or "") <= float(row.get("x", "0"))
    assert "upper_side" in drawn
