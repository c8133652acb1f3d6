"""What a person asks of a category's view -> the view for frames of one size.

Places are shares of the frame (0 to 1, from its top left), so a plan fits a camera of any
resolution; what depends on the frames' shape is settled once, at training.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import PIL.Image as Pil
import PIL.ImageDraw as Draw

from stream_inspector.image.view.canvas import MOST_TILES, Box, Mask, Size, View, runs
from stream_inspector.presets import MULTIPLE

SHOWN = 8.0  # canvas pixels that a defect must span: one cell of the features' grid

Polygon = tuple[tuple[float, float], ...]  # corners (x, y)


@dataclass(frozen=True, slots=True)
class Ignored:
    """What is never inspected: a clock in the picture, a fixture, a reflection."""

    rectangles: tuple[Box, ...] = ()
    polygons: tuple[Polygon, ...] = ()
    mask: Mask | None = None  # of the frame at any resolution, true where ignored


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """A category's wishes. Without any, the whole frame is squeezed to the preset's input."""

    region: Box = (0.0, 0.0, 1.0, 1.0)
    ignored: Ignored = field(default_factory=Ignored)
    input_size: Size | Literal["auto"] | None = None  # None: the preset's; auto: the region's shape
    keep_aspect: bool = False  # pad instead of squeezing
    rows: int = 1
    columns: int = 1
    overlap: float = 0.25  # of a tile's side
    smallest_defect: float | None = None  # pixels of the frame; given: it chooses rows and columns
    upright: bool = True  # EXIF orientation is obeyed
    bits: int = 0  # of 16 that count; 0: as the file says

    def view(self, preferred: Size, frame: tuple[int, int], multiple: int = MULTIPLE) -> View:
        """The view at a preset's input size for frames of (width, height).

        Its tiles' sides divide by `multiple`.

        Raises ValueError, naming what does not fit.
        """
        if self.smallest_defect is not None:
            return self._showing(self.smallest_defect, preferred, frame, multiple)
        aspect = self._aspect(frame)
        tile = self._tile(preferred, aspect, multiple)
        overlap = (
            _shared(tile[0], self.rows, self.overlap),
            _shared(tile[1], self.columns, self.overlap),
        )
        empty = View(tile, self.rows, self.columns, overlap, self.region)
        content = _inscribed(empty.canvas, aspect) if self.keep_aspect else None
        framed = View(tile, self.rows, self.columns, overlap, self.region, content)
        hidden = _drawn(self.ignored, framed)
        seen = (tile, self.rows, self.columns, overlap, self.region, content, runs(hidden))
        return View(*seen, self.upright, self.bits)

    def _showing(
        self, smallest: float, preferred: Size, frame: tuple[int, int], multiple: int
    ) -> View:
        """With the fewest tiles that show a defect of so many pixels of the frame.

        Several are no longer than twice their width: a strip sees little around a pixel.
        """
        found: list[tuple[int, float, View]] = []
        for rows in range(1, MOST_TILES + 1):
            for columns in range(1, MOST_TILES // rows + 1):
                plan = replace(self, rows=rows, columns=columns, smallest_defect=None)
                view = plan.view(preferred, frame, multiple)
                if rows * columns == 1 or max(view.tile) <= 2 * min(view.tile):
                    found.append((rows * columns, smallest / max(view.place(frame).scale), view))
        enough = [each for each in found if each[1] >= SHOWN]
        if not enough:
            most = max(size for _, size, _ in found)
            raise ValueError(
                f"tiles.smallest_defect: {smallest:g} pixels of {frame[0]} x {frame[1]} are "
                f"{most:.1f} with {MOST_TILES} tiles; {SHOWN:g} are needed, which "
                f"{math.ceil(smallest * SHOWN / most)} would have. Inspect a smaller region, or "
                "give a larger input_size"
            )
        return min(enough, key=lambda each: (each[0], -each[1]))[2]

    def _aspect(self, frame: tuple[int, int]) -> float:
        """Width over height of the region in pixels."""
        left, top, right, bottom = self.region
        return (right - left) * frame[0] / ((bottom - top) * frame[1])

    def _tile(self, preferred: Size, aspect: float, multiple: int) -> Size:
        if self.input_size is None:
            return preferred
        if self.input_size == "auto":
            # the canvas has the region's shape, so a tile is wider where there are fewer columns
            shape = aspect * _span(self.rows, self.overlap) / _span(self.columns, self.overlap)
            return _of_shape(shape, math.prod(preferred), multiple)
        wrong = [side for side in self.input_size if side % multiple]
        if wrong:
            near = max(1, round(wrong[0] / multiple)) * multiple
            raise ValueError(f"input_size: {wrong[0]} does not divide by {multiple}; take {near}")
        return self.input_size


def _span(count: int, overlap: float) -> float:
    """Length of `count` overlapping tiles, in tiles."""
    return count - (count - 1) * overlap


def _shared(side: int, count: int, overlap: float) -> int:
    """Pixels that neighbours share: the share asked for, on the grid of the features."""
    if count == 1:
        return 0
    most = side // 2 // MULTIPLE * MULTIPLE
    return min(most, max(MULTIPLE, round(overlap * side / MULTIPLE) * MULTIPLE))


def _of_shape(aspect: float, pixels: int, multiple: int) -> Size:
    """The size of about so many pixels whose sides divide by `multiple`."""
    height = max(1, round(math.sqrt(pixels / aspect) / multiple)) * multiple
    return height, max(1, round(height * aspect / multiple)) * multiple


def _inscribed(canvas: Size, aspect: float) -> Size:
    """The largest size of a shape (width over height) inside the canvas."""
    height, width = canvas
    if aspect * height >= width:
        return max(1, round(width / aspect)), width
    return height, max(1, round(height * aspect))


def _drawn(ignored: Ignored, view: View) -> Mask:
    """Every canvas pixel that something ignored touches."""
    place = view.place((1, 1))  # of a frame whose sides measure 1
    hidden = np.zeros(view.canvas, bool)
    for left, top, right, bottom in ignored.rectangles:
        (x0, y0), (x1, y1) = place.to_canvas(left, top), place.to_canvas(right, bottom)
        rows = slice(max(0, math.floor(y0 + 1e-6)), max(0, math.ceil(y1 - 1e-6)))
        hidden[rows, max(0, math.floor(x0 + 1e-6)) : max(0, math.ceil(x1 - 1e-6))] = True
    if ignored.polygons:
        picture = Pil.new("L", view.canvas[::-1])
        for polygon in ignored.polygons:
            corners = [place.to_canvas(x, y) for x, y in polygon]
            Draw.Draw(picture).polygon([(x - 0.5, y - 0.5) for x, y in corners], 1, 1)
        hidden |= np.asarray(picture, bool)
    if ignored.mask is not None:
        hidden[view.inside] |= _scaled(ignored.mask, view)
    outside = np.ones(view.canvas, bool)
    outside[view.inside] = False
    return hidden & ~outside


def _scaled(mask: Mask, view: View) -> Mask:
    rows, columns = view.inside
    size = (columns.stop - columns.start, rows.stop - rows.start)
    picture = Pil.fromarray(mask.astype(np.uint8) * 255)
    box = view.crop(picture.size)
    return np.asarray(picture.resize(size, Pil.Resampling.BOX, box=box)) > 0
