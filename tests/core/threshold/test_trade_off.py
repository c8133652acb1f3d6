"""Two limits on one axis of scores: which threshold keeps which, and what the promise is worth."""

import numpy as np
import pytest

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.share import Share, alarms_by_kind
from stream_inspector.threshold.trade_off import MOST_POINTS, TradeOff, settle

GOOD = np.arange(1.0, 101.0)  # 1 to 100


def trade_off(*bad: float) -> TradeOff:
    return TradeOff.of(GOOD[::-1], np.array(bad), 0.95)


def test_a_score_that_equals_the_threshold_passes() -> None:
    at = trade_off(90.0, 120.0).at(90.0)

    assert (at.false_alarms.value, at.escapes.value) == (0.1, 0.5)
    assert at.false_alarms.low < 0.1 < at.false_alarms.high


def test_the_curve_runs_from_all_that_alarm_to_none() -> None:
    curve = TradeOff.of(np.random.default_rng(0).random(500), np.linspace(0, 2, 300), 0.95).curve()

    first, last = curve[0], curve[-1]
    assert (first.false_alarms.value, first.escapes.value) == (1.0, 0.0)
    assert (last.false_alarms.value, last.escapes.value) == (0.0, 1.0)
    assert len(curve) <= MOST_POINTS + 1
    escapes = [point.escapes.value for point in curve]
    assert escapes == sorted(escapes)


@pytest.mark.parametrize(
    ("most", "passes"), [(0.01, 0), (0.05, 0), (0.1, 1), (0.25, 4), (0.99, 18)]
)
def test_the_highest_threshold_lets_no_more_pass_on_average(most: float, passes: int) -> None:
    of = trade_off(*range(200, 219))  # 19 of them

    at = of.at(of.highest_for(most))

    assert round(at.escapes.value * 19) == passes
    assert (passes + 1) / 20 <= max(most, 1 / 20)


def test_the_promise_on_escapes_holds_on_average() -> None:
    rng, passed = np.random.default_rng(1), list[float]()
    for _ in range(4000):
        of = TradeOff.of(GOOD, rng.normal(size=30), 0.95)
        passed.append(float(rng.normal() <= of.highest_for(0.1)))

    assert np.mean(passed) == pytest.approx(3 / 31, abs=0.015)  # three of thirty-one ranks


def test_limits_that_both_hold_leave_the_threshold() -> None:
    settled = settle(trade_off(*range(110, 140)), 95.0, 0.05, 0.05, escapes_decide=True)

    assert settled.both_hold
    assert settled.chosen.threshold == 95.0
    assert "that holds" in settled.line()


@pytest.mark.parametrize("escapes_decide", [True, False])
def test_of_two_limits_that_cannot_hold_one_decides(escapes_decide: bool) -> None:
    of = trade_off(80.0, *range(110, 139))

    settled = settle(of, 95.0, 0.03, 0.05, escapes_decide=escapes_decide)

    assert not settled.both_hold
    assert settled.by_escapes.escapes.value == 0
    assert settled.by_escapes.false_alarms.value == 0.21  # 80 to 100
    assert (settled.chosen is settled.by_escapes) == escapes_decide
    assert ("lowered" if escapes_decide else "false alarms decide") in settled.line()


def test_what_no_threshold_can_keep_is_said_and_the_false_alarms_stay() -> None:
    settled = settle(trade_off(0.5, 120.0), 95.0, 0.1, 0.05, escapes_decide=True)

    assert not settled.reachable
    assert settled.chosen is settled.by_false_alarms
    assert "no threshold does that" in settled.line()


def test_a_lowered_threshold_promises_what_it_keeps() -> None:
    maps = np.random.default_rng(0).normal(size=(100, 6, 6)).astype(np.float32)
    budget = Budget(0.05, None)

    usual = calibrate(maps, GOOD, budget)
    lowered = calibrate(maps, GOOD, budget, highest=79.5)
    raised = calibrate(maps, GOOD, budget, highest=99.5)

    assert usual == raised
    assert lowered.image_threshold == 79.5
    assert lowered.near_miss_threshold <= 79.5
    assert lowered.certified_false_reject > 0.2 > usual.certified_false_reject
    assert "on average at most 21.8% alarm" in lowered.promise
    with pytest.raises(CalibrationRefused, match="every good image"):
        calibrate(maps, GOOD, budget, highest=0.5)


def test_kinds_are_counted_apart_and_the_worst_comes_first() -> None:
    scores = np.array([1.0, 9.0, 3.0, 9.0, 2.5, 9.0])
    defective = np.array([False, False, True, True, True, True])
    kinds = ["good", "good", "bent", "bent", "cut", "cut"]
    scores[5] = 2.4

    found = alarms_by_kind(scores, defective, kinds, (4.0, 2.45), 0.9)

    assert [(k.kind, k.images, k.alarms, k.near_misses) for k in found] == [
        *(("cut", 2, 0, 1), ("bent", 2, 1, 1), ("good", 2, 1, 0))
    ]
    assert found[1].alarming == Share.of_counts(1, 2, 0.9)
    assert found[1].alarming.rest.low == pytest.approx(1 - found[1].alarming.high)
