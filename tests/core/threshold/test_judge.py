"""Grades at, above and below each threshold, and the regions that go with them."""

import numpy as np
import pytest

from stream_inspector.errors import InspectorError
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.judge import judge
from stream_inspector.verdict import Grade, ScoreMap, Verdict

CALIBRATION = Calibration(
    id="c" * 16,
    n_images=60,
    image_threshold=2.0,
    pixel_threshold=1.0,
    near_miss_threshold=1.5,
    min_area_px=3,
    budget=Budget(),
    certified_false_reject=0.05,
    promise="",
    fpr_table=(),
    image_scores=(),
)


def hill(height: float, pixels: int = 4) -> ScoreMap:
    scores = np.zeros((10, 10), np.float32)
    scores[5, 1 : 1 + pixels] = height
    return scores


def verdict(image_score: float, score_map: ScoreMap | None = None) -> Verdict:
    shown = hill(3.0) if score_map is None else score_map
    return judge(shown, image_score, {"kl": 0.5}, CALIBRATION, View(shown.shape).place((100, 200)))


@pytest.mark.parametrize(
    ("score", "grade"),
    [
        (1.5, Grade.PASS),
        (1.51, Grade.NEAR_MISS),
        (2.0, Grade.NEAR_MISS),
        (2.01, Grade.DEFECT),
        (-1e9, Grade.PASS),
    ],
)
def test_grades(score: float, grade: Grade) -> None:
    assert verdict(score).grade is grade


def test_a_verdict_carries_what_it_was_judged_by() -> None:
    found = verdict(5.0)
    assert (found.image_score, found.image_threshold, found.pixel_threshold) == (5.0, 2.0, 1.0)
    assert found.member_scores == {"kl": 0.5}
    assert (found.score_map == hill(3.0)).all()


def test_a_pass_lists_no_region() -> None:
    assert verdict(0.0).regions == ()


def test_a_near_miss_lists_what_it_has() -> None:
    assert len(verdict(1.8).regions) == 1
    assert verdict(1.8, hill(0.9)).regions == ()


def test_a_defect_lists_its_regions_in_original_pixels() -> None:
    (region,) = verdict(5.0).regions
    assert (region.x, region.y, region.width, region.height) == (10, 100, 40, 20)
    assert region.peak_score == 3.0


@pytest.mark.parametrize("score_map", [hill(0.9), hill(5.0, pixels=2)], ids=["low", "small"])
def test_a_defect_without_a_region_shows_its_peak(score_map: ScoreMap) -> None:
    (region,) = verdict(5.0, score_map).regions
    assert (region.x, region.y) == (10, 100)
    assert region.peak_score == score_map.max()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_never_pass(bad: float) -> None:
    with pytest.raises(InspectorError, match="not finite"):
        verdict(bad)
    with pytest.raises(InspectorError, match="not finite"):
        verdict(0.0, hill(bad))
