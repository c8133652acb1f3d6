"""A Bayer mosaic -> RGB: each missing colour is the mean of its nearest neighbours (bilinear).

In strips of rows, so that a large mosaic costs little beside its picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PATTERNS = ("RG", "GR", "GB", "BG")  # the first two pixels of the first row, as PFNC names them
_STRIP = 256  # rows, even
_LEAST = 2

Samples = NDArray[Any]  # uint8 or uint16


def demosaic(mosaic: Samples, pattern: str) -> Samples:
    """[h, w] -> [h, w, 3] of the same type. Raises ValueError for another shape or pattern."""
    if pattern not in PATTERNS:
        raise ValueError(f"a Bayer pattern {pattern!r}; known: {', '.join(PATTERNS)}")
    if mosaic.ndim != 2 or min(mosaic.shape) < _LEAST:
        raise ValueError(f"a mosaic of shape {mosaic.shape}; at least 2x2 is needed")
    height, width = mosaic.shape
    picture = np.empty((height, width, 3), mosaic.dtype)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        picture[top:bottom] = _strip(_margins(mosaic, top, bottom), pattern)
    return picture


def _margins(mosaic: Samples, top: int, bottom: int) -> NDArray[np.uint32]:
    """Rows top to bottom with one pixel around; mirrored at the border, which keeps the colours."""
    last = mosaic.shape[0] - 1
    above = top - 1 if top else 1
    below = bottom if bottom <= last else last - 1
    rows = [above, *range(top, bottom), below]
    return np.pad(mosaic[rows].astype(np.uint32), ((0, 0), (1, 1)), mode="reflect")


def _strip(near: NDArray[np.uint32], pattern: str) -> NDArray[np.uint32]:
    """RGB of a strip with margins; its first row is even."""
    height, width = near.shape[0] - 2, near.shape[1] - 2
    found = np.empty((height, width, 3), np.uint32)
    red = _place(pattern, "R")
    blue = (1 - red[0], 1 - red[1])
    for row in (0, 1):
        for column in (0, 1):
            here = _Near(near, row, column)
            at = (slice(row, None, 2), slice(column, None, 2))
            for channel, place in ((0, red), (2, blue)):
                found[(*at, channel)] = here.of(place)
            green = (row, column) not in (red, blue)
            found[(*at, 1)] = here.centre() if green else here.cross()
    return found


def _place(pattern: str, colour: str) -> tuple[int, int]:
    """Row and column of red among the first four pixels."""
    second = {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}[pattern]
    flat = pattern + second
    return divmod(flat.index(colour), 2)


class _Near:
    """The neighbours of every second pixel of every second row."""

    def __init__(self, near: NDArray[np.uint32], row: int, column: int) -> None:
        self._near, self._row, self._column = near, row, column

    def of(self, place: tuple[int, int]) -> NDArray[np.uint32]:
        """The colour whose pixels are at `place`."""
        down, across = place[0] != self._row, place[1] != self._column
        if not (down or across):
            return self.centre()
        if down and across:
            corners = self._at(-1, -1) + self._at(-1, 1) + self._at(1, -1) + self._at(1, 1)
            return (corners + 2) // 4
        if down:
            return (self._at(-1, 0) + self._at(1, 0) + 1) // 2
        return (self._at(0, -1) + self._at(0, 1) + 1) // 2

    def centre(self) -> NDArray[np.uint32]:
        """The pixels themselves."""
        return self._at(0, 0)

    def cross(self) -> NDArray[np.uint32]:
        """The mean of the four beside, above and below."""
        four = self._at(-1, 0) + self._at(1, 0) + self._at(0, -1) + self._at(0, 1)
        return (four + 2) // 4

    def _at(self, down: int, right: int) -> NDArray[np.uint32]:
        rows, columns = self._near.shape
        first = (1 + self._row + down, 1 + self._column + right)
        return self._near[first[0] : rows - 1 + down : 2, first[1] : columns - 1 + right : 2]
