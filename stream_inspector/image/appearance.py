"""Light, focus and position of a picture, as four cheap numbers: they explain most shifts.

Read from a lattice of at most LATTICE points, so that the cost does not grow with the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_inspector.verdict import Image

LATTICE = 4096  # points at most
LIGHT, FOCUS, ACROSS, DOWN = "light", "focus", "across", "down"
ASPECTS = (LIGHT, FOCUS, ACROSS, DOWN)

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a canvas looks like as a whole."""

    light: float  # mean grey level, 0 to 255
    focus: float  # mean step between neighbouring pixels, in deviations of the grey levels
    across: float  # centre of what differs from the median level, share of the width
    down: float  # and of the height

    @property
    def values(self) -> tuple[float, float, float, float]:
        """In the order of ASPECTS."""
        return self.light, self.focus, self.across, self.down


def appearance(image: Image) -> Appearance:
    """Of a canvas [H, W, 3]."""
    h, w = image.shape[:2]
    step = max(1, int(np.ceil(np.sqrt(h * w / LATTICE))))
    rows, columns = slice(0, max(1, h - 1), step), slice(0, max(1, w - 1), step)
    here = _grey(image[rows, columns])
    right, below = _grey(image[rows, 1:][:, columns]), _grey(image[1:][rows, columns])
    spread = float(here.std()) + 1.0
    steps = sum(float(np.abs(each - here).mean()) for each in (right, below) if each.size)
    across, down = _centre(here, step, (h, w))
    return Appearance(float(here.mean()), steps / spread, across, down)


def _grey(picture: Image) -> Grey:
    """[h, w], the mean of the colours."""
    red, green, blue = (picture[..., colour] for colour in range(3))  # a sum over axis 2 is slow
    return (red.astype(np.float32) + green + blue) / np.float32(3)


def _centre(grey: Grey, step: int, size: tuple[int, int]) -> tuple[float, float]:
    """The centre of mass of what stands out, as shares of width and height; 0.5 of nothing."""
    weight = np.abs(grey - np.median(grey))
    total = float(weight.sum())
    if not total:
        return 0.5, 0.5
    middles = (step * np.arange(n, dtype=np.float32) + 0.5 for n in grey.shape)
    sides = zip((weight.sum(axis=1), weight.sum(axis=0)), middles, size, strict=True)
    down, across = (float(sums @ middle) / (total * side) for sums, middle, side in sides)
    return across, down
