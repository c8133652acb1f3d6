"""The place on the PRO curve against the curve itself, intervals against what they promise."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_inspector.errors import CalibrationRefused, DataError
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.defects import (
    DefectCheck,
    Labelled,
    check_defects,
    rate_for_pro,
)
from stream_inspector.threshold.order import clopper_pearson
from stream_inspector.threshold.pro import pro_at, pro_curve
from stream_inspector.threshold.share import Share

SIDE = 24


def good_maps(n: int = 20, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, SIDE, SIDE)).astype(np.float32)


def labelled(bad: int = 6, good: int = 4, seed: int = 1, lift: float = 2.0) -> Labelled:
    """Defective images first; each has two regions, of which one is faint."""
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((bad + good, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    masks[:bad, 2:6, 2:8] = True
    masks[:bad, 15:17, 15:17] = True
    maps[:bad, 2:6, 2:8] += lift
    maps[:bad, 15:17, 15:17] += lift / 2
    return Labelled(maps, maps.max((1, 2)).astype(float), np.arange(bad + good) < bad, list(masks))


def calibrated(budget: Budget | None = None) -> Calibration:
    maps = good_maps()
    return calibrate(maps, maps.max((1, 2)).astype(float), budget or Budget())


def joint_curve(of: Labelled) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The PRO curve of pro.py: normal pixels from the good images alone."""
    bad = of.defective
    masks = np.stack([mask for mask in of.masks if mask is not None])[bad]
    inside = np.where(masks, of.maps[bad], np.float32(-np.inf))
    good = good_maps()
    empty = np.zeros(good.shape, bool)
    return pro_curve(np.concatenate([good, inside]), np.concatenate([empty, masks]))


def test_the_curve_is_the_exact_pro_curve_at_the_tables_rates() -> None:
    made, case = calibrated(), labelled()
    check = check_defects(case, made.thresholds, 0.95)
    size = good_maps().size
    whole = [(int(rate * size + 1e-9) / size, pro) for rate, pro in check.curve]
    rates, pros = np.array(whole).T
    assert pros == pytest.approx(pro_at(joint_curve(case), rates + 1e-9))  # rounding
    assert len(np.unique(pros)) > 10


def test_pro_at_the_threshold_is_the_mean_share_of_each_region() -> None:
    made, case = calibrated(), labelled()
    check = check_defects(case, made.thresholds, 0.95)
    shares = [
        (case.maps[i][box] > made.pixel_threshold).mean()
        for i in range(6)
        for box in (np.s_[2:6, 2:8], np.s_[15:17, 15:17])
    ]
    assert check.regions == 12
    assert check.pro is not None
    assert check.pro.value == pytest.approx(np.mean(shares))
    assert check.pro.low < check.pro.value < check.pro.high


def test_escapes_false_rejects_and_near_misses_are_counted() -> None:
    made, case = calibrated(), labelled()
    scores = np.full(10, made.image_threshold + 1)
    scores[:2] = made.image_threshold  # equal passes, as in the worker
    scores[2] = made.near_miss_threshold - 1
    scores[7:] = made.near_miss_threshold - 1
    case = Labelled(case.maps, scores, case.defective, case.masks)
    check = check_defects(case, made.thresholds, 0.95)
    assert (check.escape_rate.value, check.near_misses) == (0.5, 2)
    assert check.escape_rate == Share.of_counts(3, 6, 0.95)
    assert check.false_rejects == Share.of_counts(1, 4, 0.95)


def test_a_region_is_recalled_when_a_large_enough_blob_touches_it() -> None:
    case = labelled()
    maps = np.zeros_like(case.maps)
    maps[0, 5:9, 5:6] = 9  # 4 pixels, one of them in the large region
    maps[1, 15:16, 15:17] = 9  # 2 pixels in the small region: below the least area
    thresholds = calibrated().thresholds
    case = Labelled(maps, case.image_scores, case.defective, case.masks)
    for area, recall in ((4, 1 / 12), (2, 2 / 12), (5, 0)):
        object.__setattr__(thresholds, "min_area_px", area)
        found = check_defects(case, thresholds, 0.95).region_recall
        assert found is not None
        assert found.value == pytest.approx(recall)


def test_regions_of_one_image_are_not_counted_as_so_many_trials() -> None:
    case = labelled()
    recall = check_defects(case, calibrated().thresholds, 0.95).region_recall
    assert recall is not None
    assert (recall.low, recall.high) == clopper_pearson(recall.value * 6, 6, 0.95)  # 12 regions


def test_a_pixel_equal_to_the_threshold_is_not_above_it() -> None:
    case = labelled()
    maps = np.zeros_like(case.maps)
    maps[:, 2:6, 2:8] = 1.0
    regions = Labelled(maps, case.image_scores, case.defective, case.masks).regions()
    assert (regions.pro(1.0), regions.pro(0.5)) == (0.0, 0.5)


def test_good_pixels_as_high_as_a_defect_count_against_it() -> None:
    case = labelled()
    tied = Labelled(np.ones_like(case.maps), case.image_scores, case.defective, case.masks)
    good = np.zeros((10, 10, 10), np.float32)
    good[0, 0, :5] = 1.0  # as high as every defect pixel: to find one is to mark these
    assert rate_for_pro(tied, good, 0.9) == pytest.approx(5 / 1000)


def test_what_is_not_inspected_is_no_region() -> None:
    case = labelled()
    case.maps[:, 10:] = -np.inf
    assert check_defects(case, calibrated().thresholds, 0.95).regions == 6


def test_images_without_masks_count_as_images_only() -> None:
    case = labelled()
    bare = Labelled(case.maps, case.image_scores, case.defective, [None] * 10)
    check = check_defects(bare, calibrated().thresholds, 0.95)
    assert (check.images, check.regions, check.pro, check.curve) == (6, 0, None, ())


def test_without_defects_there_is_nothing_to_measure() -> None:
    case = labelled()
    good = Labelled(case.maps, case.image_scores, np.zeros(10, bool), case.masks)
    with pytest.raises(DataError, match="no defective image"):
        check_defects(good, calibrated().thresholds, 0.95)
    with pytest.raises(DataError, match="masks of defective images"):
        rate_for_pro(good, good_maps(), 0.9)


@pytest.mark.parametrize("target", [0.3, 0.6, 0.8])
def test_the_smallest_rate_that_reaches_a_target_is_found(target: float) -> None:
    case, good = labelled(), good_maps()
    rate = rate_for_pro(case, good, target)
    fpr, pro = joint_curve(case)
    assert rate == pytest.approx(fpr[pro >= target - 1e-9].min())
    at = calibrated(Budget(pixel_false_positive=rate)).pixel_threshold
    assert case.regions().pro(at) >= target
    above = good[good > at].min()  # the next higher threshold has a smaller rate
    assert case.regions().pro(float(above)) < target


def test_a_target_that_is_out_of_reach_is_refused_with_the_best() -> None:
    case = labelled()
    best = case.regions().pro(calibrated(Budget(pixel_false_positive=0.01)).pixel_threshold)
    with pytest.raises(CalibrationRefused, match=rf"accepted, 1.000%, .* reach {best:.3f}"):
        rate_for_pro(case, good_maps(), 0.95, most=0.01)


def test_a_target_that_good_pixels_never_reach_takes_the_tables_first_rate() -> None:
    assert rate_for_pro(labelled(lift=50), good_maps(), 1.0) == pytest.approx(1e-5)


@pytest.mark.slow
def test_the_intervals_cover_the_true_pro_as_often_as_they_say() -> None:
    thresholds = calibrated().thresholds
    many = labelled(bad=1000, good=0, seed=5)
    truth = many.regions().pro(thresholds.pixel)
    held = 0
    for seed in range(100):
        found = check_defects(labelled(bad=30, good=0, seed=100 + seed), thresholds, 0.9).pro
        assert found is not None
        held += found.low <= truth <= found.high
    assert 80 <= held <= 98


def test_one_image_says_nothing_of_others() -> None:
    check = check_defects(labelled(bad=1), calibrated().thresholds, 0.95)
    assert check.pro is not None
    assert (check.pro.low, check.pro.high) == (0.0, 1.0)


def test_a_check_is_part_of_the_calibration_and_of_its_id() -> None:
    made = calibrated()
    checked = made.with_defects(check_defects(labelled(), made.thresholds, 0.95))
    assert checked.id != made.id
    read = Calibration.from_dict(json.loads(json.dumps(checked.to_dict())))
    assert read == checked
    assert isinstance(read.defects, DefectCheck)


def test_kinds_and_limits_are_kept_and_older_checks_read_as_they_were() -> None:
    made, case = calibrated(), labelled()
    plain = made.with_defects(check_defects(case, made.thresholds, 0.95))
    sorted_ones = Labelled(
        case.maps, case.image_scores, case.defective, case.masks, ["bent"] * 6 + ["good"] * 4
    )
    check = replace(check_defects(sorted_ones, made.thresholds, 0.95), most_escapes=0.02)
    told = made.with_defects(check)

    assert [kind.kind for kind in check.kinds] == ["bent"]
    assert Calibration.from_dict(json.loads(json.dumps(told.to_dict()))) == told
    assert not {"kinds", "most_escapes", "escapes_decide"} & plain.to_dict()["defects"].keys()
    assert Calibration.from_dict(json.loads(json.dumps(plain.to_dict()))) == plain
