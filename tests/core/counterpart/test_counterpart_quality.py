import numpy as np
import pytest

from stream_inspector.counterpart.quality import (
    Change,
    change,
    counterpart_quality,
)
from stream_inspector.counterpart.variants import Counterpart

GREY = np.full((40, 40, 3), 100, np.uint8)


def found(before: float, after: float) -> Counterpart:
    return Counterpart(GREY, before, after, 1.0, 1)


def test_a_change_is_told_by_where_it_is() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:14, 10:14] = True
    other = GREY.copy()
    other[10:14, 10:14] += 30
    other[8:10, 10:14] = 0  # two pixels away: may change with the defect
    other[30:32, 30:34, 0] -= 60
    outside = 40 * 40 - 16 - (4 * 4 * 2 + 4)  # all but the defect and what is two pixels near
    assert change(GREY, other, mask) == Change(30.0, pytest.approx(8 * 20 / outside))


def test_a_defect_without_a_mask_has_no_inside() -> None:
    assert change(GREY, GREY + np.uint8(3), np.zeros((40, 40), bool)) == Change(None, 3.0)


def test_shares_tell_repairs_from_what_was_never_seen() -> None:
    counterparts = [found(3.0, 0.5), found(3.0, 2.0), found(0.8, 0.9), found(4.0, 1.0)]
    changes = [Change(8.0, 1.0), Change(None, 2.0), Change(4.0, None), Change(None, None)]
    quality = counterpart_quality(counterparts, changes, good=[0.5, 1.5])
    assert quality.images == 4
    assert (quality.normal, quality.convincing, quality.normal_before) == (0.75, 0.5, 0.25)
    assert quality.repaired == pytest.approx(2 / 3)
    assert quality.ceiling == 0.5
    assert (quality.change_inside, quality.change_outside) == (6.0, 1.5)


def test_what_cannot_be_measured_is_none() -> None:
    quality = counterpart_quality([found(0.5, 0.4)], [])
    assert (quality.repaired, quality.ceiling, quality.change_outside) == (None, None, None)
    with pytest.raises(ValueError, match="no counterpart"):
        counterpart_quality([], [])
