"""How good the counterparts of labelled defective images are; nothing is chosen by these numbers.

A counterpart should look normal to a network that did not guide it, and differ from its image in
the defect alone: a good image of another part would look normal too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.counterpart.variants import Counterpart
from stream_inspector.verdict import Image

NEARBY = 0.05  # of the shorter side: what lies so near to a defect may change with it

Mask = NDArray[np.bool_]  # [H, W]


@dataclass(frozen=True, slots=True)
class Change:
    """Mean absolute change in grey levels (0..255); None where there are no such pixels."""

    inside: float | None  # the defect
    outside: float | None  # farther than NEARBY from it


@dataclass(frozen=True, slots=True)
class CounterpartQuality:
    """Shares of a category's defective images, and changes averaged over them."""

    images: int
    normal: float  # counterparts inside the examiner's normal range
    convincing: float  # those that also came nearer to normal
    normal_before: float  # images that the examiner found normal, defect and all
    repaired: float | None  # normal counterparts among the other images; None: there are none
    ceiling: float | None  # good test images inside the range; None: not measured
    change_inside: float | None
    change_outside: float | None


def change(image: Image, counterpart: Image, mask: Mask) -> Change:
    """The change of one image [H, W, 3], by the true mask of its defect."""
    levels = np.abs(image.astype(np.float32) - counterpart).mean(axis=2)
    distance = ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    return Change(_mean(levels[mask]), _mean(levels[distance > NEARBY * min(mask.shape)]))


def counterpart_quality(
    counterparts: Sequence[Counterpart],
    changes: Sequence[Change],
    good: Sequence[float] | None = None,
) -> CounterpartQuality:
    """Sum up a category: counterparts of its defective images, and their changes where known.

    `good` are the examiner's distances of good test images.
    Raises ValueError without counterparts.
    """
    if not counterparts:
        raise ValueError("there is no counterpart to measure")
    limit = counterparts[0].normal_limit
    after = np.array([each.score_after for each in counterparts]) <= limit
    before = np.array([each.score_before for each in counterparts]) <= limit
    return CounterpartQuality(
        images=len(counterparts),
        normal=float(after.mean()),
        convincing=float(np.mean([each.convincing for each in counterparts])),
        normal_before=float(before.mean()),
        repaired=_mean(after[~before]),
        ceiling=None if good is None else _mean(np.asarray(good) <= limit),
        change_inside=_mean([each.inside for each in changes if each.inside is not None]),
        change_outside=_mean([each.outside for each in changes if each.outside is not None]),
    )


def _mean(values: Sequence[float] | NDArray[np.float32] | NDArray[np.bool_]) -> float | None:
    return float(np.mean(values)) if len(values) else None
