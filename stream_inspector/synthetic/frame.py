"""One synthetic frame: a part, perhaps a defect, a photograph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_inspector.synthetic.defects import DEFECT_KINDS, DEFECTS
from stream_inspector.synthetic.light import photograph
from stream_inspector.synthetic.part import Surface, make_part
from stream_inspector.verdict import Image

DEFAULT_SIZE = (256, 256)
_SMALLEST_DEFECT = 4e-4  # share of the frame that must show it: 26 pixels of 256 x 256
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class SyntheticFrame:
    """A rendered frame and its truth."""

    image: Image  # [H, W, 3]
    mask: NDArray[np.bool_]  # [H, W], true on the defect
    kind: str  # "good" or one of DEFECT_KINDS


def render(
    index: int, seed: int, defect: str | None = None, size: tuple[int, int] = DEFAULT_SIZE
) -> SyntheticFrame:
    """The `index`-th part of the line that `seed` names, at `size` (height, width).

    Pose, light, texture and noise depend on (seed, index) alone, so `defect=None` gives the same
    part without its defect.
    """
    if defect is not None and defect not in DEFECTS:
        allowed = ", ".join(DEFECT_KINDS)
        raise ValueError(f"unknown defect {defect!r}; known: {allowed}")
    surface, mask = _part(index, seed, defect, size)
    image = photograph(surface, _stream(seed, index, 1), _stream(seed, index, 2))
    return SyntheticFrame(image, mask, defect or "good")


def _part(
    index: int, seed: int, defect: str | None, size: tuple[int, int]
) -> tuple[Surface, NDArray[np.bool_]]:
    """The part, damaged where the damage can be seen: some places would be over a hole."""
    if defect is None:
        return make_part(_stream(seed, index, 0), size), np.zeros(size, bool)
    rng = _stream(seed, index, 3 + DEFECT_KINDS.index(defect))
    for _ in range(_ATTEMPTS):
        surface = make_part(_stream(seed, index, 0), size)
        mask = DEFECTS[defect](surface, rng)
        if mask.mean() >= _SMALLEST_DEFECT:
            break
    return surface, mask


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, purpose])
