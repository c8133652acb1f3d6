"""Defects painted on the picture of any good part: to draw a PRO curve where nothing is labelled.

The same defects as the synthetic part's, but the surface below is only a picture: no lamp is known,
so furrows and dents are shaded as if light came from the upper left. They look like what they are;
a curve drawn with them compares thresholds, its level says nothing of real defects.
"""

import numpy as np

from stream_inspector.synthetic.defects import DEFECTS, Mask
from stream_inspector.synthetic.part import FILL, Pose, Surface, part_coordinates
from stream_inspector.verdict import Image

PAINTED = ("scratch", "dent", "stain", "contamination", "discoloration")  # a chip needs a rim
_GAMMA = 2.2
_SHADE = 0.35  # change of brightness by a slope of 1
_LEAST = 16  # pixels of a mask
_ATTEMPTS = 20


def paint_defect(image: Image, kind: str, seed: int) -> tuple[Image, Mask]:
    """`image` [H, W, 3] with a defect somewhere on it, and the defect's mask [H, W].

    The same seed gives the same defect. Raises ValueError for a kind that cannot be painted.
    """
    if kind not in PAINTED:
        raise ValueError(f"defect {kind!r} cannot be painted; known: {', '.join(PAINTED)}")
    rng = np.random.default_rng([seed, PAINTED.index(kind)])
    for _ in range(_ATTEMPTS):
        surface = _flat((image.shape[0], image.shape[1]), rng)
        mask = DEFECTS[kind](surface, rng)
        if mask.sum() >= _LEAST:
            break
    return _painted(image, surface), mask


def _flat(size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """A surface without any structure, the middle of whose face lies anywhere near the middle."""
    height, width = size
    radius = FILL * min(size)
    x, y = (side * float(rng.uniform(0.35, 0.65)) for side in (width, height))
    pose = Pose(x, y, radius, 0.0)
    u, v = part_coordinates(pose, size)
    zero, one = np.zeros(size, np.float32), np.ones(size, np.float32)
    return Surface(
        pose=pose,
        cover=one.copy(),
        tilt_x=zero.copy(),
        tilt_y=zero.copy(),
        tint=np.ones((*size, 3), np.float32),
        gloss=one,
        radial_x=zero,
        radial_y=zero,
        radius=np.hypot(u, v),
        layer=np.zeros((*size, 3), np.float32),
        layer_cover=zero.copy(),
        layer_shadow=zero.copy(),
    )


def _painted(image: Image, surface: Surface) -> Image:
    """The picture under the surface's tint, shading and layer, in linear light."""
    seen = (image.astype(np.float32) / 255) ** _GAMMA
    shade = 1 - _SHADE * np.clip(surface.tilt_x + surface.tilt_y, -2, 2)
    seen *= surface.tint * np.clip(shade, 0.1, 2)[..., None]
    seen *= (1 - 0.55 * surface.layer_shadow)[..., None]
    seen += surface.layer_cover[..., None] * (surface.layer - seen)
    encoded = np.clip(seen, 0, 1) ** (1 / _GAMMA)
    return np.asarray(np.rint(255 * encoded), np.uint8)
