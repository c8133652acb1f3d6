"""Defects painted on a picture that is not rendered."""

import numpy as np
import pytest

from stream_inspector.synthetic.overlay import PAINTED, paint_defect

PHOTO = np.random.default_rng(0).integers(90, 130, (120, 160, 3), np.uint8)


@pytest.mark.parametrize("kind", PAINTED)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_defect_changes_what_its_mask_says(kind: str, seed: int) -> None:
    painted, mask = paint_defect(PHOTO, kind, seed)
    change = np.abs(painted.astype(int) - PHOTO).mean(2)
    assert (painted.shape, painted.dtype, mask.shape) == (PHOTO.shape, np.uint8, PHOTO.shape[:2])
    assert 16 <= mask.sum() < mask.size / 3
    assert change[mask].mean() > 5
    assert change[mask].mean() > 5 * change[~mask].mean()


def test_the_same_seed_paints_the_same_defect() -> None:
    first, again = (paint_defect(PHOTO, "stain", 5)[0] for _ in range(2))
    assert (first == again).all()
    assert (paint_defect(PHOTO, "stain", 6)[0] != first).any()


def test_what_needs_a_rim_cannot_be_painted() -> None:
    with pytest.raises(ValueError, match="'chip' cannot be painted; known: scratch"):
        paint_defect(PHOTO, "chip", 0)
