"""What the detector sees of a frame, as numbers: part of a model version.

frame -> region of interest -> canvas (scaled, padded; some pixels ignored) -> tiles (a network's
input each). Score maps are maps of the canvas; `place` says where it lies in a frame, so that
regions are told in pixels as captured. Statistics are measured through a view: another view is
another model.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import cycle, pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_inspector.presets import MULTIPLE
from stream_inspector.verdict import Image, ScoreMap

Size = tuple[int, int]  # height, width in pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom
Mask = NDArray[np.bool_]  # [H, W]

MOST_TILES = 12  # each has its own statistics, some 30 MB in an artefact at 320 pixels
MOST_PIXELS = 16_000_000  # of a canvas
GREY = 128  # what networks see where nothing is inspected
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a canvas lies in one frame, in pixels (x, y): frame = origin + scale * canvas."""

    origin: tuple[float, float]
    scale: tuple[float, float]
    frame: tuple[int, int]  # (width, height) as captured

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """A point of the canvas in pixels of the frame."""
        # thousandths of a pixel, or floor and ceil would see the rounding of floats
        return (
            round(self.origin[0] + self.scale[0] * x, 3),
            round(self.origin[1] + self.scale[1] * y, 3),
        )

    def size(self, canvas: Size) -> tuple[int, int]:
        """Width and height of a whole canvas in pixels of the frame."""
        return round(self.scale[0] * canvas[1]), round(self.scale[1] * canvas[0])

    def to_canvas(self, x: float, y: float) -> tuple[float, float]:
        """A point of the frame in pixels of the canvas."""
        return (x - self.origin[0]) / self.scale[0], (y - self.origin[1]) / self.scale[1]


@dataclass(frozen=True)
class View:
    """The view of a model version. Raises ValueError when its numbers do not fit together."""

    tile: Size  # a network's input
    rows: int = 1  # of tiles
    columns: int = 1
    overlap: Size = (0, 0)  # pixels that neighbouring tiles share
    region: Box = _WHOLE  # of the frame, as shares of its width and height
    content: Size | None = None  # of the scaled region, in the middle of the canvas; None: all
    ignored: tuple[int, ...] = ()  # canvas pixels row by row: runs of inspected, ignored, ...
    upright: bool | None = None  # EXIF orientation is obeyed; None: in TIFFs only, as once
    bits: int | None = None  # of 16 that count; 0: as the file says; None: all, as once

    def __post_init__(self) -> None:
        _check_tiles(self)
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"region {self.region} does not lie in the frame")
        inside = zip(self._content, self.canvas, strict=True)
        if any(not 0 < part <= whole for part, whole in inside):
            raise ValueError(f"content {self.content} does not fit into {self.canvas}")
        if self.ignored and (min(self.ignored) < 0 or sum(self.ignored) != math.prod(self.canvas)):
            raise ValueError("the ignored pixels are those of another canvas")
        if self.bits and not 8 < self.bits <= 16:
            raise ValueError(f"{self.bits} bits of a sample; 9 to 16 can count")
        if not self.valid.any():
            raise ValueError("nothing is left to inspect: the whole region is ignored")

    @property
    def canvas(self) -> Size:
        """[H, W] that all tiles cover together."""
        counts = (self.rows, self.columns)
        h, w = (
            count * side - (count - 1) * shared
            for count, side, shared in zip(counts, self.tile, self.overlap, strict=True)
        )
        return h, w

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """Top left corner (y, x) of each tile on the canvas, row by row."""
        (h, w), (dy, dx) = self.tile, self.overlap
        return tuple(
            (r * (h - dy), c * (w - dx)) for r in range(self.rows) for c in range(self.columns)
        )

    @cached_property
    def valid(self) -> Mask:
        """[H, W], true where the canvas is inspected: inside the region and not ignored."""
        mask = np.zeros(self.canvas, bool)
        rows, columns = self.inside
        mask[rows, columns] = True
        if self.ignored:
            mask &= ~np.repeat(_alternating(len(self.ignored)), self.ignored).reshape(self.canvas)
        mask.flags.writeable = False
        return mask

    @cached_property
    def complete(self) -> bool:
        """Whether every pixel of the canvas is inspected."""
        return bool(self.valid.all())

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that show the region; the rest is padding."""
        (h, w), (canvas_h, canvas_w) = self._content, self.canvas
        top, left = (canvas_h - h) // 2, (canvas_w - w) // 2
        return slice(top, top + h), slice(left, left + w)

    @property
    def _content(self) -> Size:
        return self.content or self.canvas

    def cells(self, grid: Size) -> Mask:
        """[h, w] on a coarser grid of the canvas: cells with at least one inspected pixel."""
        (h, w), (canvas_h, canvas_w) = grid, self.canvas
        if canvas_h % h or canvas_w % w:
            raise ValueError(f"a grid of {grid} does not divide a canvas of {self.canvas}")
        return np.asarray(self.valid.reshape(h, canvas_h // h, w, canvas_w // w).any(axis=(1, 3)))

    def prepare(self, image: Image) -> Image:
        """A canvas [H, W, 3], grey where nothing is inspected: what is there changes nothing."""
        return image if self.complete else np.where(self.valid[..., None], image, np.uint8(GREY))

    def crop(self, frame: tuple[int, int]) -> Box:
        """The region in pixels of a frame (width, height), as left, top, right, bottom."""
        (width, height), (left, top, right, bottom) = frame, self.region
        return left * width, top * height, right * width, bottom * height

    def place(self, frame: tuple[int, int]) -> Placement:
        """Where the canvas lies in a frame of that (width, height)."""
        left, top, right, bottom = self.crop(frame)
        rows, columns = self.inside
        sx = (right - left) / (columns.stop - columns.start)
        sy = (bottom - top) / (rows.stop - rows.start)
        return Placement((left - columns.start * sx, top - rows.start * sy), (sx, sy), frame)

    def resized(self, canvas: Size) -> "View":
        """The same region, with as much padding, on a canvas of another size; nothing ignored."""
        (h, w), (old_h, old_w) = self._content, self.canvas
        content = (max(1, round(h * canvas[0] / old_h)), max(1, round(w * canvas[1] / old_w)))
        return replace(View(canvas, region=self.region, content=content), **self.reading)

    @property
    def reading(self) -> dict[str, Any]:
        """How pixels of files are read, whatever is seen of them."""
        return {"upright": self.upright, "bits": self.bits}

    def masked(self, maps: ScoreMap) -> ScoreMap:
        """Score maps [..., H, W] with -inf where nothing is inspected."""
        return maps if self.complete else np.where(self.valid, maps, np.float32(-np.inf))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `from_dict` reads it back. Without what older models do not say."""
        unsaid = [name for name, value in self.reading.items() if value is None]
        return {name: value for name, value in asdict(self).items() if name not in unsaid}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`, through JSON or not. Raises TypeError or ValueError."""
        read: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**read)


def runs(ignored: Mask) -> tuple[int, ...]:
    """A mask as the lengths of its runs row by row, beginning with one that is not ignored."""
    flat = ignored.ravel()
    if not flat.any():
        return ()
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    lengths = [stop - start for start, stop in pairwise(edges)]
    return (0, *lengths) if flat[0] else tuple(lengths)


def _alternating(count: int) -> Mask:
    alternate = cycle((False, True))
    return np.fromiter((next(alternate) for _ in range(count)), bool, count)


def _check_tiles(view: View) -> None:
    if min(*view.tile, view.rows, view.columns) < 1 or min(view.overlap) < 0:
        raise ValueError(f"{view.rows} x {view.columns} tiles of {view.tile} are no tiles")
    if view.rows * view.columns > MOST_TILES:
        raise ValueError(
            f"{view.rows} x {view.columns} tiles; at most {MOST_TILES} fit into a model's memory"
        )
    for shared, side in zip(view.overlap, view.tile, strict=True):
        if shared % MULTIPLE or 2 * shared > side:
            raise ValueError(
                f"an overlap of {shared} pixels; it divides by {MULTIPLE}, at most half a tile"
            )
    if math.prod(view.canvas) > MOST_PIXELS:
        raise ValueError(f"a canvas of {view.canvas} pixels; at most {MOST_PIXELS} in all")
