"""Defects of the synthetic part: each changes the material and says exactly which pixels.

Adding a kind is adding one function here and its row in the table at the end. Sizes vary from
obvious to subtle; lengths are in part units (outer radius 1).
"""

import math
from collections.abc import Callable

import numpy as np
import PIL.Image as Pil
import PIL.ImageDraw as Draw
import PIL.ImageFilter as Filter
from numpy.typing import NDArray

from stream_inspector.synthetic.part import HUB, Field, Pose, Surface, part_coordinates

Mask = NDArray[np.bool_]
_SUPERSAMPLE = 4
_FIBRES = ((0.02, 0.03, 0.06), (0.35, 0.05, 0.04), (0.05, 0.10, 0.30), (0.75, 0.73, 0.68))


def _scratch(surface: Surface, rng: np.random.Generator) -> Mask:
    """A bright furrow with a dark side, straight or slightly bent."""
    line = _curve(surface, rng, float(rng.uniform(0.25, 0.85)), float(rng.uniform(0.010, 0.020)))
    depth = float(rng.uniform(1.2, 2.4))
    dy, dx = np.gradient(line)
    surface.tilt_x += depth * dx
    surface.tilt_y += depth * dy
    surface.tint *= (1 + line * float(rng.uniform(0.25, 0.7)))[..., None]
    return (line > 0.35) & (surface.cover > 0.5)


def _dent(surface: Surface, rng: np.random.Generator) -> Mask:
    """A round hollow: the light comes from the wrong side."""
    u, v = _around(surface, _spot(rng))
    radius = float(rng.uniform(0.07, 0.15))
    distance = np.hypot(u, v) / radius
    slope = -float(rng.uniform(0.5, 1.0)) * np.clip(1 - distance**2, 0, None) * 4.0 / radius
    surface.tilt_x += slope * u
    surface.tilt_y += slope * v
    surface.gloss *= 1 - 0.35 * (distance < 1)
    return (distance < 0.95) & (surface.cover > 0.5)


def _stain(surface: Surface, rng: np.random.Generator) -> Mask:
    """Oil or rust that dried: brown, dull, with an irregular darker edge."""
    blob = _blob(surface, rng, float(rng.uniform(0.09, 0.22)), 0.35)
    alpha = _ramp(blob, 0.05)
    rim = np.clip(1 - np.abs(blob - 0.04) / 0.05, 0, 1)
    colour = _colour(0.52, 0.38, 0.24) ** float(rng.uniform(0.45, 1.1))
    surface.tint *= 1 - alpha[..., None] * (1 - colour)
    surface.tint *= (1 - 0.25 * rim)[..., None]
    surface.gloss *= 1 - 0.6 * alpha
    return (alpha > 0.5) & (surface.cover > 0.5)


def _chip(surface: Surface, rng: np.random.Generator) -> Mask:
    """A piece broken off the rim: the belt shows, the fracture is bright."""
    angle = float(rng.uniform(0, 2 * math.pi))
    spot = (1.02 * math.cos(angle), 1.02 * math.sin(angle))
    blob = _blob(surface, rng, float(rng.uniform(0.08, 0.20)), 0.30, spot)
    missing = _ramp(blob, 0.015)
    mask = (missing > 0.5) & (surface.cover > 0.5)
    fracture = np.clip(1 - np.abs(blob + 0.02) / 0.025, 0, 1)
    surface.tint *= (1 + 0.5 * fracture)[..., None]
    surface.cover *= 1 - missing
    return mask


def _contamination(surface: Surface, rng: np.random.Generator) -> Mask:
    """A fibre or a particle on top, with its shadow."""
    if rng.random() < 0.5:
        cover = _curve(
            surface, rng, float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.02, 0.03)), 2
        )
    else:
        cover = _ramp(_blob(surface, rng, float(rng.uniform(0.05, 0.09)), 0.28), 0.02)
    colour = _colour(*_FIBRES[int(rng.integers(len(_FIBRES)))])
    shift = max(1, round(0.02 * surface.pose.radius))
    surface.layer_cover = cover
    surface.layer = np.broadcast_to(colour, (*cover.shape, 3))
    surface.layer_shadow = _blurred(np.roll(cover, (shift, shift), (0, 1)), shift / 2)
    return cover > 0.5


def _discoloration(surface: Surface, rng: np.random.Generator) -> Mask:
    """Heat tint: straw outside, blue inside, without an edge."""
    blob = _blob(surface, rng, float(rng.uniform(0.16, 0.32)), 0.15)
    heat = _ramp(blob, 0.14)
    core = _ramp(blob - 0.10, 0.12)[..., None]
    strength = float(rng.uniform(0.45, 0.95))
    tint = _colour(0.95, 0.72, 0.42) * (1 - core) + _colour(0.48, 0.55, 0.95) * core
    surface.tint *= 1 - strength * heat[..., None] * (1 - tint)
    return (heat > 0.5) & (surface.cover > 0.5)


def _colour(red: float, green: float, blue: float) -> Field:
    return np.array([red, green, blue], np.float32)


def _spot(rng: np.random.Generator) -> tuple[float, float]:
    """A place on the face of the part."""
    radius, angle = float(rng.uniform(HUB + 0.06, 0.90)), float(rng.uniform(0, 2 * math.pi))
    return radius * math.cos(angle), radius * math.sin(angle)


def _around(surface: Surface, spot: tuple[float, float]) -> tuple[Field, Field]:
    """Offsets (in part units, along the image axes) from a spot."""
    x, y = surface.pose.to_pixels(*spot)
    pose = Pose(x, y, surface.pose.radius, 0.0)
    return part_coordinates(pose, (surface.cover.shape[0], surface.cover.shape[1]))


def _blob(
    surface: Surface,
    rng: np.random.Generator,
    radius: float,
    roughness: float,
    spot: tuple[float, float] | None = None,
) -> Field:
    """Signed distance into an irregular blob: positive inside, in part units."""
    u, v = _around(surface, spot or _spot(rng))
    stretch = float(rng.uniform(0.75, 1.3))
    angle = np.arctan2(v, u)
    edge = np.full_like(u, radius)
    for waves in range(2, 8):
        swing = radius * roughness * float(rng.normal()) / waves
        edge += swing * np.cos(waves * angle + float(rng.uniform(0, 2 * math.pi)))
    return np.asarray(edge - np.hypot(u * stretch, v / stretch), np.float32)


def _ramp(distance: Field, softness: float) -> Field:
    return np.asarray(np.clip(distance / softness + 0.5, 0, 1), np.float32)


def _curve(
    surface: Surface, rng: np.random.Generator, length: float, width: float, bend: float = 0.35
) -> Field:
    """Coverage of a thin curve through a spot: drawn large, then reduced."""
    heading, spot = float(rng.uniform(0, 2 * math.pi)), _spot(rng)
    turns = np.cumsum(rng.normal(0, bend / 4, 16)) + heading
    points = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * length / 16, 0)
    points = points - points[8] + spot
    pixels = [surface.pose.to_pixels(u, v) for u, v in points.tolist()]
    height, wide = surface.cover.shape
    canvas = Pil.new("L", (wide * _SUPERSAMPLE, height * _SUPERSAMPLE))
    stroke = max(_SUPERSAMPLE, round(width * surface.pose.radius * _SUPERSAMPLE))
    scaled = [(x * _SUPERSAMPLE, y * _SUPERSAMPLE) for x, y in pixels]
    Draw.Draw(canvas).line(scaled, 255, stroke, joint="curve")
    return np.asarray(canvas.reduce(_SUPERSAMPLE), np.float32) / np.float32(255)


def _blurred(field: Field, radius: float) -> Field:
    picture = Pil.fromarray((field * 255).astype(np.uint8))
    return np.asarray(picture.filter(Filter.GaussianBlur(radius)), np.float32) / np.float32(255)


DEFECTS: dict[str, Callable[[Surface, np.random.Generator], Mask]] = {
    "scratch": _scratch,
    "dent": _dent,
    "stain": _stain,
    "chip": _chip,
    "contamination": _contamination,
    "discoloration": _discoloration,
}
DEFECT_KINDS = tuple(DEFECTS)
