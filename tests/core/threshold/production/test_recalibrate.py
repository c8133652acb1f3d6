"""Thresholds anew from scores: what may set them, and what they promise."""

from dataclasses import replace

import numpy as np
import pytest

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.order import certified_rate, conformal_rank
from stream_inspector.threshold.production.recalibrate import Accepted, Reviewed, recalibrate

RNG = np.random.default_rng(0)
GOOD = RNG.uniform(0, 1, 100)
MAPS = np.repeat(GOOD[:, None, None], 4, axis=1).astype(np.float32)


def before(budget: Budget | None = None, **more: object) -> Calibration:
    return calibrate(MAPS, GOOD, budget or Budget(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_another_share_gives_what_calibrating_for_it_would(share: float) -> None:
    made = recalibrate(before(), Reviewed(), Accepted(share)).calibration
    anew = before(Budget(image_false_reject=share))
    same = ("image_threshold", "near_miss_threshold", "certified_false_reject", "image_scores")
    assert [getattr(made, name) for name in same] == [getattr(anew, name) for name in same]
    assert made.id == made.named().id
    assert Calibration.from_dict(made.to_dict()) == made


def test_the_pixel_threshold_stays_and_says_so() -> None:
    old = before()
    made = recalibrate(old, Reviewed(), Accepted(0.2)).calibration
    assert (made.pixel_threshold, made.min_area_px) == (old.pixel_threshold, old.min_area_px)
    assert f"those of calibration {old.id}" in made.promise


def test_a_small_sample_joins_the_scores_of_before() -> None:
    audited = tuple(RNG.uniform(0.5, 1.5, 20))
    found = recalibrate(before(), Reviewed(audited), Accepted(0.05))
    scores = np.sort([*GOOD, *audited])
    assert (found.audited, found.kept) == (20, 100)
    assert found.calibration.image_threshold == scores[conformal_rank(120, 0.05) - 1]
    assert found.calibration.certified_false_reject == certified_rate(
        120, conformal_rank(120, 0.05), 0.95
    )
    assert "20 reviewed good parts" in found.calibration.promise


def test_a_sample_that_certifies_the_share_stands_alone() -> None:
    """It is of the present production; the good images of before may not be any more."""
    audited = tuple(RNG.uniform(0.5, 1.5, 59))
    found = recalibrate(replace(before(), folds=10), Reviewed(audited), Accepted(0.05))
    assert (found.audited, found.kept) == (59, 0)
    assert found.calibration.image_scores == tuple(sorted(audited))
    assert found.calibration.folds == 0
    assert "Approximate" not in found.calibration.promise
    joined = recalibrate(replace(before(), folds=10), Reviewed(audited[:58]), Accepted(0.05))
    assert (joined.kept, joined.calibration.folds) == (100, 10)
    assert "Approximate" in joined.calibration.promise


def test_alarms_of_the_sample_alone_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="review the sample's passes too"):
        recalibrate(before(), Reviewed(audited=(2.0, 3.0)), Accepted(0.05))
    assert recalibrate(before(), Reviewed(audited=(2.0, 0.3)), Accepted(0.05)).audited == 2


@pytest.mark.parametrize("decide", [True, False])
def test_where_both_limits_cannot_hold_the_stated_one_decides(decide: bool) -> None:
    bad = tuple(np.linspace(0.6, 2.0, 60))
    found = recalibrate(before(), Reviewed(bad=bad), Accepted(0.05, 0.05, decide))
    made, alone = found.calibration, recalibrate(before(), Reviewed(), Accepted(0.05)).calibration
    assert found.settled is not None and not found.settled.both_hold
    assert (made.image_threshold < alone.image_threshold) == decide
    assert (made.certified_false_reject > alone.certified_false_reject) == decide
    assert made.near_miss_threshold <= made.image_threshold
    assert made.defects is not None
    assert made.defects.images == 60
    assert made.defects.escape_rate.value == np.mean(np.array(bad) <= made.image_threshold)
    assert made.defects.escapes_decide is decide
    assert Calibration.from_dict(made.to_dict()) == made


def test_escapes_that_no_threshold_keeps_change_nothing() -> None:
    bad = (0.0, 0.0, 0.0)  # below every good score
    found = recalibrate(before(), Reviewed(bad=bad), Accepted(0.05, 0.1, True))
    alone = recalibrate(before(), Reviewed(), Accepted(0.05)).calibration
    assert found.calibration.image_threshold == alone.image_threshold


def test_a_strict_calibration_stays_strict() -> None:
    old = before(Budget(image_false_reject=0.05), strict=True)
    made = recalibrate(old, Reviewed(), Accepted(0.04)).calibration
    assert made.certified_false_reject <= 0.04
    with pytest.raises(CalibrationRefused, match="are missing"):
        recalibrate(old, Reviewed(), Accepted(0.01))
