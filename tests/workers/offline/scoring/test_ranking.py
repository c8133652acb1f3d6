import json

import numpy as np
import pytest

from workers.offline.scoring.ranking import (
    CURVE_RATES,
    Evaluation,
    OperatingPoint,
    Ranking,
    Truth,
    mean_rankings,
    operating_point,
    rank,
)


def truth(*defective: bool, mask: bool = True) -> Truth:
    """2x2 images; a defect covers the top left pixel."""
    masks = [np.array([[bad, False], [False, False]]) for bad in defective]
    return Truth(np.array(defective), tuple(masks) if mask else (None,) * len(masks))


def maps(*corner: float) -> np.ndarray:
    """Maps that are 0 except for the top left pixel."""
    return np.array([[[value, 0], [0, 0]] for value in corner], np.float32)


def test_a_perfect_score_ranks_perfectly() -> None:
    ranking = rank(maps(0, 0, 5, 6), np.array([0.0, 1, 5, 6]), truth(False, False, True, True))

    assert (ranking.image_auroc, ranking.pixel_auroc) == (1, 1)
    assert (ranking.aupro_30, ranking.aupro_05) == (1, 1)
    assert ranking.pro == (1.0,) * len(CURVE_RATES)


def test_small_regions_are_measured_only_with_all() -> None:
    ranking = rank(maps(0, 0, 5, 6), np.array([0.0, 1, 5, 6]), truth(False, False, True, True))

    assert ranking.large_pixel_auroc is ranking.large_aupro_30 is ranking.large_aupro_05 is None


def test_large_regions_are_measured_alone_too() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:4, :4] = mask[7, 7] = True  # 16 pixels and a speck that the map misses
    score = np.zeros((1, 8, 8), np.float32)
    score[0, :4, :4] = 1

    ranking = rank(score, np.array([1.0]), Truth(np.array([True]), (mask,)))

    assert (ranking.large_pixel_auroc, ranking.large_aupro_30) == (1, 1)
    assert ranking.aupro_05 is not None
    assert ranking.aupro_05 < 0.6


def test_categories_are_averaged_figure_by_figure() -> None:
    first = {"kl": Ranking(1.0, 0.5, pro=(0.0, 1.0)), "padim": Ranking(0.0)}
    second = {"kl": Ranking(0.5, None, pro=(0.5, 1.0))}

    mean = mean_rankings([first, second])

    assert mean == {"kl": Ranking(0.75, None, pro=(0.25, 1.0))}
    assert mean_rankings([]) == {}


def test_members_are_ranked_by_hand_computed_areas() -> None:
    # one defect of two scores below one good image of two: 3 of 4 pairs are in order
    image_scores = np.array([0.0, 3, 2, 4])
    # normal pixels: 8 in good images and 6 beside the defects, of which one is above one defect
    ranking = rank(maps(0, 3, 2, 4), image_scores, truth(False, False, True, True))

    assert ranking.image_auroc == 0.75
    assert ranking.pixel_auroc == pytest.approx((13 + 14) / 28)
    # PRO is 1/2 until fpr 1/14, then 1
    assert ranking.aupro_30 == pytest.approx((0.5 / 14 + (0.3 - 1 / 14)) / 0.3)
    after = CURVE_RATES >= 1 / 14
    assert set(np.array(ranking.pro)[after]) == {1.0}
    assert set(np.array(ranking.pro)[~after]) == {0.5}


def test_without_masks_only_images_are_ranked() -> None:
    ranking = rank(maps(0, 1), np.array([0.0, 1.0]), truth(False, True, mask=False))

    assert ranking == Ranking(1.0)


def test_without_defects_nothing_is_ranked() -> None:
    assert rank(maps(0, 1), np.array([0.0, 1.0]), truth(False, False)) == Ranking(None)


def test_an_image_without_a_mask_leaves_the_pixel_metrics_alone() -> None:
    known = truth(False, True)
    unknown = Truth(np.array([False, True, True]), (*known.masks, None))

    ranking = rank(maps(0, 5, 9), np.array([0.0, 5.0, 1.0]), unknown)

    assert ranking == rank(maps(0, 5), np.array([0.0, 5.0]), known)


def test_verdicts_at_the_threshold() -> None:
    point = operating_point([1, 2, 3, 4, 5], [False, False, True, False, True], 2.5)

    assert point == OperatingPoint(2.5, true_alarms=2, false_alarms=1, missed=0, passed=2)
    assert (point.precision, point.recall) == (2 / 3, 1.0)
    assert point.false_reject_rate == pytest.approx(1 / 3)


def test_a_score_equal_to_the_threshold_passes() -> None:
    assert operating_point([2.0], [True], 2.0).missed == 1


def test_near_misses_are_counted_beside_the_threshold() -> None:
    point = operating_point([1, 2, 3, 4, 5], [False, False, True, True, True], 4.0, near=1.5)

    assert (point.missed, point.missed_near) == (2, 2)
    assert (point.passed, point.passed_near) == (2, 1)


def test_rates_without_cases_are_unknown_not_zero() -> None:
    point = operating_point([1.0], [False], 2.0)

    assert (point.precision, point.recall) == (None, None)


def test_an_evaluation_is_json() -> None:
    point = OperatingPoint(2.5, 2, 1, 0, 2)
    members = {"kl": Ranking(1, 1, 1, 1)}
    card = Evaluation("nut", "v", None, "torch", (8, 8), 3, 2, 2, 2, 0, members, point, 9.5)

    plain = json.loads(json.dumps(card.to_dict()))

    assert plain["members"]["kl"]["aupro_30"] == 1
    assert plain["at_threshold"]["recall"] == 1.0
