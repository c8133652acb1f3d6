"""Structural defects: reproducible, visible, and only where the mask says."""

import numpy as np
import pytest

from stream_inspector.synthetic import render
from stream_inspector.synthetic.structural import STRUCTURAL, alter

PART = render(3, 0, None, (160, 160)).image


@pytest.mark.parametrize("kind", STRUCTURAL)
def test_the_mask_says_what_visibly_changed(kind: str) -> None:
    changed, mask = alter(PART, kind, 5)
    difference = np.abs(changed.astype(int) - PART).max(2)
    assert mask.sum() >= 16
    assert difference[~mask].max() <= 12
    assert difference[mask].mean() > 12


@pytest.mark.parametrize("kind", STRUCTURAL)
def test_the_same_seed_gives_the_same_defect_and_another_does_not(kind: str) -> None:
    first, again, other = (alter(PART, kind, seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[1], other[1])


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="known: missing, shifted"):
        alter(PART, "painted", 0)
