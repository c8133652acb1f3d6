"""A new version beside the old one: what is said with which certainty."""

import numpy as np
import pytest

from stream_inspector.threshold.order import clopper_pearson
from stream_inspector.threshold.production.versions import (
    Advice,
    Both,
    Compared,
    advise,
    compare_pairs,
    compare_shares,
)


def pairs(both: int, only_old: int, only_new: int, neither: int) -> list[Both]:
    return [
        *[Both(True, True)] * both,
        *[Both(True, False)] * only_old,
        *[Both(False, True)] * only_new,
        *[Both(False, False)] * neither,
    ]


def test_only_frames_that_the_two_disagree_on_say_which_alarms_more() -> None:
    found = compare_pairs(pairs(30, 4, 12, 954), 0.95)
    assert (found.only_old, found.only_new) == (4, 12)
    assert found.more is not None
    assert found.more.value == pytest.approx(0.008)
    high = clopper_pearson(12, 1000, 0.975)[1] - clopper_pearson(4, 1000, 0.975)[0]
    assert found.more.high == pytest.approx(high)
    assert found.chance == pytest.approx(0.0768, abs=1e-4)  # McNemar, exact
    same = compare_pairs(pairs(300, 4, 12, 684), 0.95)
    assert same.more == found.more  # what both alarm on does not blur it


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        old = rng.random(800) < 0.02
        new = old ^ (rng.random(800) < 0.01)
        found = compare_pairs([Both(bool(a), bool(b)) for a, b in zip(old, new, strict=True)], 0.9)
        assert found.more is not None
        held += found.more.low <= 0.01 * (1 - 2 * 0.02) <= found.more.high
    assert held >= 180


def test_a_canary_is_compared_with_other_frames() -> None:
    found = compare_shares((20, 1000), (9, 100), 0.95)
    assert (found.only_old, found.only_new) == (None, None)
    assert found.more is not None and found.more.low > 0
    assert found.chance is not None and found.chance < 0.01


def test_of_nothing_nothing_is_said() -> None:
    empty = compare_pairs([], 0.95)
    assert (empty.more, empty.chance, empty.old_alarms) == (None, None, None)
    assert compare_shares((1, 10), (0, 0), 0.95).more is None


def judged(good_new: int, bad_old: int) -> Compared:
    frames = [
        *pairs(0, 0, 0, 2000),
        *[Both(False, True, good=True)] * good_new,
        *[Both(True, False, good=False)] * bad_old,
    ]
    return compare_pairs(frames, 0.95)


@pytest.mark.parametrize(
    ("compared", "advice"),
    [
        (compare_pairs(pairs(10, 0, 0, 1000), 0.95), Advice.PROMOTE),
        (compare_pairs(pairs(10, 0, 0, 300), 0.95), Advice.WAIT),  # too few
        (compare_pairs(pairs(10, 0, 8, 1000), 0.95), Advice.WAIT),  # not sure yet
        (compare_pairs(pairs(10, 0, 90, 1000), 0.95), Advice.END),
        (judged(good_new=2, bad_old=0), Advice.PROMOTE),
        (judged(good_new=0, bad_old=1), Advice.END),  # it misses what the old one found
        (compare_pairs([], 0.95), Advice.WAIT),
    ],
)
def test_a_guard_decides_what_is_sure_and_waits_else(compared: Compared, advice: Advice) -> None:
    assert advise(compared, 0.01, 500) is advice
