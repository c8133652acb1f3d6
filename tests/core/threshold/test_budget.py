"""What a calibration promises, against published figures and simulated production."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import (
    Budget,
    Calibration,
    calibrate,
    certified_rank,
    certified_rate,
    conformal_rank,
    images_needed,
    pixel_table,
)


def good(
    n: int = 60, side: int = 40, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((n, side, side)).astype(np.float32)
    return maps, maps.max((1, 2)).astype(np.float64)


@pytest.mark.parametrize(("n", "rate"), [(20, 0.139), (60, 0.049), (200, 0.015), (299, 0.00997)])
def test_the_maximum_of_n_certifies_the_known_rates(n: int, rate: float) -> None:
    assert certified_rate(n, n, 0.95) == pytest.approx(rate, abs=5e-4)


@pytest.mark.parametrize(("rate", "n"), [(0.01, 299), (0.05, 59), (0.5, 5)])
def test_images_needed(rate: float, n: int) -> None:
    budget = Budget(image_false_reject=rate)
    assert images_needed(budget) == n
    assert certified_rate(n, n, 0.95) <= rate < certified_rate(n - 1, n - 1, 0.95)


def test_certified_rate_equals_the_binomial_tail() -> None:
    n, k, confidence = 30, 27, 0.9
    rate = certified_rate(n, k, confidence)
    # P(at most n - k of n good scores lie above a quantile of level 1 - rate)
    tail = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(n - k + 1))
    assert tail == pytest.approx(1 - confidence)


def test_certified_rank_is_the_lowest_that_holds() -> None:
    budget = Budget(image_false_reject=0.05)
    rank = certified_rank(200, budget)
    assert certified_rate(200, rank, 0.95) <= 0.05 < certified_rate(200, rank - 1, 0.95)


@pytest.mark.parametrize(
    ("n", "alpha", "rank"), [(19, 0.05, 19), (99, 0.05, 95), (100, 0.05, 96), (10, 0.05, 10)]
)
def test_conformal_rank(n: int, alpha: float, rank: int) -> None:
    assert conformal_rank(n, alpha) == rank


def test_conformal_threshold_keeps_its_promise_on_average() -> None:
    rng = np.random.default_rng(1)
    scores = np.sort(rng.exponential(size=(4000, 39)), axis=1)
    threshold = scores[:, conformal_rank(39, 0.1) - 1]
    assert np.exp(-threshold).mean() == pytest.approx(0.1, abs=0.005)  # exact share above


def test_strict_threshold_keeps_its_promise_with_confidence() -> None:
    rng = np.random.default_rng(2)
    budget = Budget(image_false_reject=0.1, confidence=0.9)
    scores = np.sort(rng.exponential(size=(4000, 80)), axis=1)
    above = np.exp(-scores[:, certified_rank(80, budget) - 1])
    assert 0.9 <= (above <= 0.1).mean() <= 0.97


def test_thresholds_come_from_the_good_scores() -> None:
    maps, scores = good(n=99)
    made = calibrate(maps, scores[::-1], Budget())
    ordered = np.sort(scores)
    assert made.image_threshold == ordered[94]
    assert made.near_miss_threshold == ordered[84]
    assert made.image_scores == tuple(ordered)
    assert made.n_images == 99


def test_each_member_has_a_threshold_by_the_same_rule() -> None:
    maps, scores = good(n=99)
    made = calibrate(maps, scores, Budget(), member_scores={"kl": 2 * scores, "control": -scores})
    thresholds = dict(made.member_thresholds)
    assert thresholds["kl"] == 2 * made.image_threshold
    assert thresholds["control"] == np.sort(-scores)[94]
    assert Calibration.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_at_most_the_budgeted_share_of_good_pixels_lies_above() -> None:
    maps, scores = good()
    made = calibrate(maps, scores, Budget(pixel_false_positive=1e-3))
    above = (maps > made.pixel_threshold).mean()
    assert 1e-3 - 1.5 / maps.size <= above <= 1e-3


def test_the_table_covers_its_range_and_every_row_holds() -> None:
    maps, _ = good()
    table = pixel_table(maps, 1e-3)
    rates, thresholds = np.array(table).T
    assert (rates[0], rates[-1]) == (pytest.approx(1e-5), pytest.approx(0.3))
    assert 1e-3 in rates
    assert (np.diff(thresholds) <= 0).all()
    assert all((maps > t).mean() <= r for r, t in zip(rates, thresholds, strict=True))


def test_tied_pixels_stay_within_the_budget() -> None:
    table = pixel_table(np.ones((2, 10, 10), np.float32), 1e-3)
    assert {threshold for _, threshold in table} == {1.0}


def test_speckle_of_good_images_is_below_the_smallest_area() -> None:
    maps = np.zeros((20, 100, 100), np.float32)
    maps[3, 10:12, 10:12] = 5  # a 2 x 2 speck
    made = calibrate(maps, maps.max((1, 2)), Budget(pixel_false_positive=1e-3))
    assert made.pixel_threshold < 5
    assert made.min_area_px == 5


def test_a_large_false_region_does_not_hide_defects() -> None:
    maps = np.zeros((20, 100, 100), np.float32)
    maps[3, 10:50, 10:50] = np.linspace(1, 2, 1600).reshape(40, 40)
    made = calibrate(maps, maps.max((1, 2)), Budget(pixel_false_positive=1e-3))
    assert made.min_area_px == 10  # a thousandth of the map


def test_strict_refuses_and_counts_the_missing_images() -> None:
    with pytest.raises(CalibrationRefused, match=r"needs 299 .* there are 60: 239 are missing"):
        calibrate(*good(60), Budget(image_false_reject=0.01), strict=True)


def test_strict_with_enough_images_certifies_the_budget() -> None:
    made = calibrate(*good(59), Budget(), strict=True)
    assert made.certified_false_reject <= 0.05
    assert "more good images" not in made.promise


def test_otherwise_the_weaker_promise_is_put_in_words() -> None:
    made = calibrate(*good(20), Budget())
    assert made.certified_false_reject == pytest.approx(0.139, abs=1e-3)
    assert "4.8%" in made.promise  # 1 / 21 on average
    assert "13.9%" in made.promise
    assert "39 more good images" in made.promise


def test_a_handful_of_images_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="1 are missing"):
        calibrate(*good(4), Budget())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    maps, scores = good(10)
    broken = maps.copy()
    broken[1, 2, 3] = bad
    with pytest.raises(CalibrationRefused, match="NaN"):
        calibrate(broken, scores, Budget())
    with pytest.raises(CalibrationRefused, match="NaN"):
        calibrate(maps, np.where(scores == scores.max(), bad, scores), Budget())


def test_maps_and_scores_must_belong_together() -> None:
    maps, scores = good(10)
    with pytest.raises(ValueError, match="N = 9"):
        calibrate(maps, scores[:9], Budget())


@pytest.mark.parametrize("field", ["image_false_reject", "pixel_false_positive", "confidence"])
@pytest.mark.parametrize("value", [0, 1, -0.1])
def test_budgets_are_shares(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Budget(**{field: value})


def test_a_calibration_survives_json_and_names_itself_by_content() -> None:
    made = calibrate(*good(), Budget())
    assert Calibration.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert calibrate(*good(), Budget()).id == made.id
    assert calibrate(*good(seed=1), Budget()).id != made.id


def test_a_changed_calibration_is_refused() -> None:
    made = calibrate(*good(), Budget())
    changed = replace(made, image_threshold=made.image_threshold + 1)
    with pytest.raises(CalibrationRefused, match="calibrate again"):
        Calibration.from_dict(changed.to_dict())
