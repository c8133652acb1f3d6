"""Structural defects on the picture of any good part: something is missing, shifted, turned, ...

A scratch adds something that was never seen; here everything was seen before, only not like this or
not there. What knows textures but not places finds the former and misses the latter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil
import PIL.ImageFilter as Filter
from numpy.typing import NDArray

from stream_inspector.synthetic.defects import Mask
from stream_inspector.verdict import Image

_RADIUS = 0.04, 0.25  # of a region, of the shorter side
_VISIBLE = 12  # grey levels by which a pixel must change to count
_SHARE = 0.25  # of the region that must have changed
_ATTEMPTS = 40

Field = NDArray[np.float32]


def alter(image: Image, kind: str, seed: int) -> tuple[Image, Mask]:
    """`image` [H, W, 3] with one region altered, and the pixels [H, W] that visibly changed.

    The same seed gives the same defect. Raises ValueError for a kind that is not known.
    """
    if kind not in STRUCTURAL:
        raise ValueError(f"defect {kind!r} is not known; known: {', '.join(STRUCTURAL)}")
    rng = np.random.default_rng([seed, STRUCTURAL.index(kind)])
    found = image, np.zeros(image.shape[:2], bool)
    for _ in range(_ATTEMPTS):  # an empty place looks the same when it is shifted
        where = _region(image, rng)
        changed = _blend(image, _ALTERATIONS[kind](image, where, rng), where.cover)
        visible = _visible(image, changed)
        if visible.sum() > found[1].sum():
            found = changed, visible
        if visible.sum() >= _SHARE * where.cover.sum():
            break
    return found


@dataclass(frozen=True, eq=False)
class _Region:
    """An irregular blob."""

    cover: Field  # [H, W], with a soft edge
    y: int
    x: int
    radius: float  # pixels


def _region(image: Image, rng: np.random.Generator) -> _Region:
    h, w = image.shape[:2]
    radius = float(rng.uniform(*_RADIUS)) * min(h, w)
    y, x = (
        int(rng.integers(int(radius), max(int(radius) + 1, side - int(radius)))) for side in (h, w)
    )
    dy, dx = np.mgrid[:h, :w].astype(np.float32)
    dy, dx = dy - y, dx - x
    angle, edge = np.arctan2(dy, dx), np.full((h, w), radius, np.float32)
    for waves in range(2, 5):
        edge += (
            radius * 0.2 * float(rng.normal()) / waves * np.cos(waves * angle + rng.uniform(0, 6))
        )
    cover = np.clip((edge - np.hypot(dy, dx)) / 2 + 0.5, 0, 1).astype(np.float32)
    return _Region(cover, y, x, radius)


def _blend(image: Image, other: Image, cover: Field) -> Image:
    mixed = image + cover[..., None] * (other.astype(np.float32) - image)
    return np.asarray(np.rint(mixed), np.uint8)


def _visible(image: Image, changed: Image) -> Mask:
    """Where the change can be seen, holes of one or two pixels closed."""
    difference = np.abs(changed.astype(np.int16) - image).max(2) > _VISIBLE
    picture = Pil.fromarray(difference.astype(np.uint8) * 255)
    closed = picture.filter(Filter.MaxFilter(5)).filter(Filter.MinFilter(5))
    return np.asarray(closed) > 0


def _rolled(image: Image, dy: int, dx: int) -> Image:
    """What lies (dy, dx) away is seen here; edges are repeated."""
    h, w = image.shape[:2]
    rows, columns = np.clip(np.arange(h) + dy, 0, h - 1), np.clip(np.arange(w) + dx, 0, w - 1)
    moved: Image = image[rows][:, columns]
    return moved


def _missing(image: Image, where: _Region, rng: np.random.Generator) -> Image:
    """The quietest of some places is seen instead: the part is not there."""
    grey = image.astype(np.float32).mean(2)
    energy = np.hypot(*np.gradient(grey))
    h, w = grey.shape
    r = int(where.radius)
    places = [
        (int(rng.integers(r, max(r + 1, h - r))), int(rng.integers(r, max(r + 1, w - r))))
        for _ in range(30)
    ]
    y, x = min(
        places,
        key=lambda p: float(
            energy[max(0, p[0] - r) : p[0] + r, max(0, p[1] - r) : p[1] + r].mean()
        ),
    )
    return _rolled(image, y - where.y, x - where.x)


def _shifted(image: Image, where: _Region, rng: np.random.Generator) -> Image:
    """What lies beside it, from half a radius to two away."""
    angle, far = rng.uniform(0, 2 * np.pi), where.radius * rng.uniform(0.5, 2)
    return _rolled(image, round(far * np.sin(angle)), round(far * np.cos(angle)))


def _turned(image: Image, where: _Region, rng: np.random.Generator) -> Image:
    """The region, turned by 20 to 180 degrees about its centre."""
    degrees = float(rng.uniform(20, 180)) * float(rng.choice([-1, 1]))
    turned = Pil.fromarray(image).rotate(
        degrees, Pil.Resampling.BILINEAR, center=(where.x, where.y)
    )
    return np.asarray(turned)


def _exchanged(image: Image, where: _Region, rng: np.random.Generator) -> Image:
    """Another place of the picture, mirrored or not."""
    h, w = image.shape[:2]
    y, x = int(rng.integers(0, h)), int(rng.integers(0, w))
    seen = _rolled(image, y - where.y, x - where.x)
    return seen[:, ::-1] if rng.random() < 0.3 else seen


def _displaced(image: Image, where: _Region, rng: np.random.Generator) -> Image:
    """The texture pulled out of its place, smoothly: most in the middle, not at all at the edge."""
    h, w = image.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    inside = np.clip(1 - ((y - where.y) ** 2 + (x - where.x) ** 2) / where.radius**2, 0, 1)
    angle, far = rng.uniform(0, 2 * np.pi), where.radius * rng.uniform(0.25, 0.6)
    rows = np.clip(np.rint(y - inside * far * np.sin(angle)), 0, h - 1).astype(int)
    columns = np.clip(np.rint(x - inside * far * np.cos(angle)), 0, w - 1).astype(int)
    moved: Image = image[rows, columns]
    return moved


Alteration = Callable[[Image, _Region, np.random.Generator], Image]
_ALTERATIONS: dict[str, Alteration] = {
    "missing": _missing,
    "shifted": _shifted,
    "turned": _turned,
    "exchanged": _exchanged,
    "displaced": _displaced,
}
STRUCTURAL = tuple(_ALTERATIONS)
