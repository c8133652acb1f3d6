"""Evidence pictures: heatmap, outline, side-by-side panel, PNG. Arrays in, arrays or bytes out.

Made by the inspector for each defect it publishes and by the trainer's and demo's reports.
"""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image as Pil
import PIL.ImageDraw as Draw
import PIL.ImageFont as Font
from numpy.typing import NDArray

from stream_inspector.image.view.canvas import Placement
from stream_inspector.verdict import Image, Region, ScoreMap

# Nine stops of matplotlib's perceptually uniform "inferno" (CC0), dark to bright.
_INFERNO = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ]
)
_OUTLINE = (255, 64, 64)
_PAPER, _INK = (250, 250, 250), (40, 40, 40)
_GAP, _CAPTION = 8, 22  # pixels


def heatmap(image: Image, score_map: ScoreMap, vmin: float, vmax: float) -> Image:
    """`image` [H, W, 3] under its scores: clear at `vmin` and below, inferno towards `vmax`.

    Give the same range to all frames of a calibration (see `heat_range`), or colours cannot be
    compared.
    """
    if not vmax > vmin:
        raise ValueError(f"vmax must be larger than vmin, got {vmin} and {vmax}")
    height, width = image.shape[:2]
    level = np.clip((score_map - vmin) / (vmax - vmin), 0, 1).astype(np.float32)
    level = np.asarray(Pil.fromarray(level).resize((width, height), Pil.Resampling.BILINEAR))
    alpha = (0.8 * np.sqrt(level))[..., None]
    blended = image * (1 - alpha) + colours(level) * alpha
    return np.asarray(np.rint(blended), np.uint8)


def heat_range(pixel_threshold: float) -> tuple[float, float]:
    """Scores from clear to full colour, from half the threshold to twice it, signs apart."""
    span = max(abs(pixel_threshold), 1e-6)
    return pixel_threshold - span / 2, pixel_threshold + span


def colours(level: NDArray[np.float32]) -> NDArray[np.float64]:
    """Levels [...] in [0, 1] as RGB [..., 3] in 0..255."""
    stops = np.linspace(0, 1, len(_INFERNO))
    return np.stack([np.interp(level, stops, channel) for channel in _INFERNO.T], axis=-1)


def outline(
    image: Image,
    regions: Sequence[Region],
    place: Placement | None = None,
    colour: tuple[int, int, int] = _OUTLINE,
) -> Image:
    """`image` with each region's polygon drawn around it.

    Regions are in pixels of the frame in which `image` lies as `place` says; without it, of
    `image` itself.
    """
    height, width = image.shape[:2]
    picture = Pil.fromarray(image)
    pen = Draw.Draw(picture)
    stroke = max(1, round(min(height, width) / 200))
    for region in regions:
        points = [place.to_canvas(x, y) if place else (x, y) for x, y in region.polygon]
        ring = [*points, *points[:2]]
        pen.line(ring, (0, 0, 0), stroke + 2, joint="curve")  # seen on bright ground too
        pen.line(ring, colour, stroke, joint="curve")
    return np.asarray(picture)


def side_by_side(panels: Sequence[tuple[str, Image]], height: int = 256) -> Image:
    """Captioned pictures in one row, each scaled to `height` pixels."""
    if not panels:
        raise ValueError("side_by_side needs at least one panel")
    scaled = [_at_height(image, height) for _, image in panels]
    width = sum(each.width for each in scaled) + _GAP * (len(scaled) + 1)
    sheet = Pil.new("RGB", (width, height + _CAPTION + 2 * _GAP), _PAPER)
    pen, font, left = Draw.Draw(sheet), Font.load_default(14.0), _GAP
    for (caption, _), each in zip(panels, scaled, strict=True):
        pen.text((left, _GAP), caption, _INK, font)
        sheet.paste(each, (left, _GAP + _CAPTION))
        left += each.width + _GAP
    return np.asarray(sheet)


def encode_png(image: Image) -> bytes:
    """`image` [H, W, 3] as PNG bytes."""
    stream = io.BytesIO()
    Pil.fromarray(image).save(stream, "PNG", compress_level=4)
    return stream.getvalue()


def _at_height(image: Image, height: int) -> Pil.Image:
    picture = Pil.fromarray(image)
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Pil.Resampling.LANCZOS)
