"""What a calibration promises, against published figures and simulated production."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import CrossFit, calibrate
from stream_inspector.threshold.order import (
    certified_rank,
    certified_rate,
    clopper_pearson,
    conformal_rank,
    images_needed,
)
from stream_inspector.threshold.pixels import image_quantiles, left_out_rate, pixel_table


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
    assert images_needed(rate, 0.95) == n
    assert certified_rate(n, n, 0.95) <= rate < certified_rate(n - 1, n - 1, 0.95)


def test_certified_rate_equals_the_binomial_tail() -> None:
    n, k, confidence = 30, 27, 0.9
    rate = certified_rate(n, k, confidence)
    # P(at most n - k of n good scores lie above a quantile of level 1 - rate)
    tail = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(n - k + 1))
    assert tail == pytest.approx(1 - confidence)


def test_certified_rank_is_the_lowest_that_holds() -> None:
    rank = certified_rank(200, 0.05, 0.95)
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
    scores = np.sort(rng.exponential(size=(4000, 80)), axis=1)
    above = np.exp(-scores[:, certified_rank(80, 0.1, 0.9) - 1])
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
    table = pixel_table(maps, {1e-3})
    rates, thresholds = np.array(table).T
    assert (rates[0], rates[-1]) == (pytest.approx(1e-5), pytest.approx(0.3))
    assert 1e-3 in rates
    assert (np.diff(thresholds) <= 0).all()
    assert all((maps > t).mean() <= r for r, t in zip(rates, thresholds, strict=True))


def test_tied_pixels_stay_within_the_budget() -> None:
    table = pixel_table(np.ones((2, 10, 10), np.float32), {1e-3})
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


@pytest.mark.parametrize(("found", "of"), [(0, 20), (3, 20), (20, 20), (1, 1)])
def test_clopper_pearson_is_where_the_binomial_tails_are_half_the_doubt(
    found: int, of: int
) -> None:
    def at_least(k: int, share: float) -> float:
        return sum(math.comb(of, i) * share**i * (1 - share) ** (of - i) for i in range(k, of + 1))

    low, high = clopper_pearson(found, of, 0.9)
    assert low == 0 if found == 0 else at_least(found, low) == pytest.approx(0.05)
    assert high == 1 if found == of else 1 - at_least(found + 1, high) == pytest.approx(0.05)


def test_clopper_pearson_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for share in (0.02, 0.3, 0.5):
        intervals = [clopper_pearson(int(k), 40, 0.9) for k in rng.binomial(40, share, 1000)]
        covered = np.mean([low <= share <= high for low, high in intervals])
        assert covered >= 0.9 - 3 * math.sqrt(0.09 / 1000)


def test_the_left_out_rate_is_the_mean_over_images_at_the_others_threshold() -> None:
    maps, _ = good(n=8, side=20)
    maps[3] += 1
    maps[5, :4] = -np.inf
    rates = []
    for index in range(8):
        others = np.delete(maps, index, axis=0)
        pixels = np.sort(others[others > -np.inf])
        threshold = pixels[pixels.size - 1 - int(0.01 * pixels.size)]
        seen = maps[index][maps[index] > -np.inf]
        rates.append((seen > threshold).mean())
    assert left_out_rate(maps, 0.01) == pytest.approx(np.mean(rates))
    assert np.mean(rates) > 0.01


def test_the_left_out_rate_is_that_of_new_images_when_images_differ() -> None:
    rng = np.random.default_rng(0)

    def images(count: int) -> NDArray[np.float32]:
        level = rng.normal(size=(count, 1, 1))
        return (level + rng.normal(size=(count, 20, 20))).astype(np.float32)

    told, found = [], []
    for _ in range(150):
        calibrating = images(10)
        threshold = dict(pixel_table(calibrating, {0.01}))[0.01]
        told.append(left_out_rate(calibrating, 0.01))
        found.append((images(40) > threshold).mean())
    assert np.mean(told) == pytest.approx(np.mean(found), rel=0.15)
    assert np.mean(found) > 1.3 * 0.01  # what the rate on the same images would hide


def test_the_quantile_of_an_image_is_the_lowest_threshold_within_the_rate() -> None:
    maps, _ = good(n=4, side=20)
    for each, threshold in zip(maps, image_quantiles(maps, 0.01), strict=True):
        below = np.sort(each.ravel())[np.sort(each.ravel()) < threshold].max()
        assert (each > threshold).mean() <= 0.01 < (each > below).mean()


def test_a_strict_pixel_threshold_holds_image_by_image() -> None:
    maps, scores = good(n=59)
    maps += np.random.default_rng(1).normal(size=(59, 1, 1)).astype(np.float32)
    made = calibrate(maps, scores, Budget(pixel_false_positive=0.01), strict=True)
    assert ((maps > made.pixel_threshold).mean((1, 2)) <= 0.01).all()  # the maximum certifies
    assert made.pixel_threshold > calibrate(maps, scores, Budget()).pixel_threshold
    assert made.pixel_rate == pytest.approx((maps > made.pixel_threshold).mean())
    assert "at most 5.0% of good images have more than 1% of their pixels above" in made.promise


def test_strict_pixels_keep_their_promise_with_confidence() -> None:
    rng = np.random.default_rng(3)
    held, budget = 0, Budget(image_false_reject=0.2, pixel_false_positive=0.05, confidence=0.9)
    for _ in range(100):
        maps = (rng.normal(size=(30, 1, 1)) + rng.normal(size=(30, 8, 8))).astype(np.float32)
        made = calibrate(maps, maps.max((1, 2)).astype(float), budget, strict=True)
        new = rng.normal(size=(400, 1, 1)) + rng.normal(size=(400, 8, 8))
        over = ((new > made.pixel_threshold).mean((1, 2)) > 0.05).mean()
        held += over <= 0.2 + 0.02  # 400 new images only estimate the share
    assert held / 100 >= 0.85


def test_without_a_pixel_budget_as_few_images_show_a_pixel_as_may_alarm() -> None:
    maps, scores = good(n=99)
    made = calibrate(maps, scores, Budget(pixel_false_positive=None))
    assert made.pixel_threshold == np.sort(maps.max((1, 2)))[94]
    assert made.min_area_px == 1
    assert "show a pixel above" in made.promise


def test_without_an_image_budget_the_largest_good_score_is_the_threshold() -> None:
    maps, scores = good(n=99)
    made = calibrate(maps, scores, Budget(image_false_reject=None))
    assert made.image_threshold == scores.max()
    assert made.near_miss_threshold == np.sort(scores)[96]
    assert made.certified_false_reject == pytest.approx(0.0298, abs=1e-4)  # 1 - 0.05^(1/99)
    assert "No share was stated" in made.promise
    calibrate(maps, scores, Budget(image_false_reject=None), strict=True)  # nothing to refuse


def test_a_budget_states_something() -> None:
    with pytest.raises(ValueError, match="or both"):
        Budget(image_false_reject=None, pixel_false_positive=None)


def test_cross_fitted_scores_are_told_to_be_approximate_and_certify_nothing() -> None:
    maps, scores = good(n=99)
    cross_fit = CrossFit(10, np.arange(99) < 80)
    made = calibrate(maps, scores, Budget(), cross_fit=cross_fit)
    assert made.folds == 10
    assert "Approximate: cross-fitted in 10 folds" in made.promise
    assert "score lower" not in made.promise
    with pytest.raises(CalibrationRefused, match="certify nothing"):
        calibrate(maps, scores, Budget(), cross_fit=cross_fit, strict=True)


def test_networks_that_remember_their_images_are_noticed() -> None:
    maps, scores = good(n=99)
    seen = np.arange(99) < 80
    made = calibrate(
        maps, np.where(seen, scores - 1, scores), Budget(), cross_fit=CrossFit(10, seen)
    )
    assert "score lower than the others" in made.promise
    assert CrossFit(10, np.ones(99, bool)).remembered(scores) is None


def test_fields_at_their_defaults_do_not_change_an_id() -> None:
    made = calibrate(*good(), Budget())
    assert "strict" not in made.to_dict()
    assert calibrate(*good(), Budget(), images_digest="d").id != made.id
