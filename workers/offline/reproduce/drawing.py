"""Figures: rows of captioned pictures on one page, as PNG and PDF."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from stream_inspector.image.pictures import heatmap, side_by_side
from stream_inspector.verdict import Image, ScoreMap

HEIGHT = 160  # pixels of a picture
_DPI = 200.0
_TINT = np.array((255, 64, 64))
Panels = Sequence[tuple[str, Image]]


def page(rows: Sequence[Panels]) -> Image:
    """Rows of panels, one below the other."""
    drawn = [side_by_side(panels, HEIGHT) for panels in rows]
    return stacked(drawn)


def stacked(pages: Sequence[Image]) -> Image:
    """Pages one below the other, filled with white at the right."""
    width = max(each.shape[1] for each in pages)
    padded = [
        np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=255)
        for each in pages
    ]
    return np.concatenate(padded)


def save(image: Image, path: Path) -> None:
    """Write PATH.png and PATH.pdf."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Pillow.fromarray(image)
    picture.save(path.with_name(f"{path.name}.png"))
    picture.save(path.with_name(f"{path.name}.pdf"), resolution=_DPI)


def load(path: Path) -> Image | None:
    """The PNG again; None where there is none."""
    file = path.with_name(f"{path.name}.png")
    if not file.exists():
        return None
    with Pillow.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def tinted(image: Image, mask: NDArray[np.bool_]) -> Image:
    """The image with its defect in red."""
    share = 0.5 * mask[..., None]
    return np.asarray(np.rint(image * (1 - share) + _TINT * share), np.uint8)


def heat(image: Image, score_map: ScoreMap, limits: tuple[float, float]) -> Image:
    """A score map over its image; both colours' ends are the caller's."""
    low, high = limits
    seen = np.where(np.isfinite(score_map), score_map, low)
    return heatmap(image, seen, low, max(high, low + 1e-6))
