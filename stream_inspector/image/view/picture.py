"""A view as a picture: the frame with its region, ignored areas and tiles."""

import numpy as np
import PIL.Image as Pil
import PIL.ImageDraw as Draw

from stream_inspector.image.view.canvas import Mask, View
from stream_inspector.verdict import Image

_REGION, _TILE, _HATCH = (0, 200, 90), (255, 200, 0), (255, 70, 70)
_DIM = 0.35  # brightness of what lies outside the region
_PITCH = 10  # pixels between the lines of the hatching


def draw_view(frame: Image, view: View) -> Image:
    """`frame` [H, W, 3]: outside the region dark, ignored hatched in red, tiles outlined yellow."""
    height, width = frame.shape[:2]
    place = view.place((width, height))
    left, top, right, bottom = (round(side) for side in view.crop((width, height)))
    picture = (frame * _DIM).astype(np.uint8)
    picture[top:bottom, left:right] = frame[top:bottom, left:right]
    hatched = _hatching(height, width) & _ignored_in_frame(view, (width, height))
    picture[hatched] = _HATCH
    drawn = Pil.fromarray(picture)
    pen, stroke = Draw.Draw(drawn), max(1, round(min(height, width) / 250))
    if len(view.corners) > 1:
        for number, (y, x) in enumerate(view.corners):
            inset = stroke * (1 + number % 2)  # neighbours side by side where they overlap
            (x0, y0) = place.to_frame(x, y)
            (x1, y1) = place.to_frame(x + view.tile[1], y + view.tile[0])
            box = (max(x0, left) + inset, max(y0, top) + inset)
            pen.rectangle(
                (*box, min(x1, right) - inset, min(y1, bottom) - inset), None, _TILE, stroke
            )
    pen.rectangle((left, top, right - 1, bottom - 1), None, _REGION, stroke)
    return np.asarray(drawn)


def _ignored_in_frame(view: View, frame: tuple[int, int]) -> Mask:
    """[H, W] of the frame: pixels of the region whose canvas pixel is ignored."""
    width, height = frame
    place, (canvas_h, canvas_w) = view.place(frame), view.canvas
    ys = np.floor((np.arange(height) + 0.5 - place.origin[1]) / place.scale[1]).astype(int)
    xs = np.floor((np.arange(width) + 0.5 - place.origin[0]) / place.scale[0]).astype(int)
    left, top, right, bottom = view.crop(frame)
    rows = (np.arange(height) + 0.5 > top) & (np.arange(height) + 0.5 < bottom)
    columns = (np.arange(width) + 0.5 > left) & (np.arange(width) + 0.5 < right)
    ignored = ~view.valid[ys.clip(0, canvas_h - 1)][:, xs.clip(0, canvas_w - 1)]
    return np.asarray(ignored & rows[:, None] & columns)


def _hatching(height: int, width: int) -> Mask:
    y, x = np.mgrid[:height, :width]
    pitch = max(_PITCH, min(height, width) // 60)
    return np.asarray((x + y) % pitch < max(2, pitch // 4))
