"""The part: a turned steel flange as per-pixel material, before light and camera.

Lengths are in part units: the outer radius is 1. A surface's `tilt` is the horizontal part of its
normal, pointing downhill.
"""

import math
from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil
import PIL.ImageDraw as Draw
import PIL.ImageFont as Font
from numpy.typing import NDArray

Field = NDArray[np.float32]  # [H, W]

FILL = 0.40  # outer radius as a share of the frame's shorter side
HUB, BORE = 0.50, 0.29
HOLES, HOLE_CIRCLE, HOLE_RADIUS = 6, 0.755, 0.105
STEEL = (0.60, 0.61, 0.63)  # linear reflectance
MARKING = "K24"


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the part lies: centre and radius in pixels, rotation in radians."""

    x: float
    y: float
    radius: float
    angle: float

    def to_pixels(self, u: float, v: float) -> tuple[float, float]:
        """Part coordinates -> pixel coordinates."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (
            self.x + self.radius * (u * cos - v * sin),
            self.y + self.radius * (u * sin + v * cos),
        )


@dataclass(slots=True)
class Surface:
    """Material of every pixel. A defect changes these fields, and light does the rest."""

    pose: Pose
    cover: Field  # 1 on the part, 0 on the belt
    tilt_x: Field
    tilt_y: Field
    tint: NDArray[np.float32]  # [H, W, 3], linear reflectance
    gloss: Field  # strength of the brushed highlight
    radial_x: Field  # unit vector from the centre: the brushing runs across it
    radial_y: Field
    radius: Field
    layer: NDArray[np.float32]  # [H, W, 3], linear colour of what lies on top of everything
    layer_cover: Field
    layer_shadow: Field


def random_pose(rng: np.random.Generator, size: tuple[int, int]) -> Pose:
    """A part that a feeder places almost the same way each time: +-6 degrees, +-3 %."""
    height, width = size
    short = min(size)
    dx, dy = rng.uniform(-0.03, 0.03, 2) * short
    radius = FILL * short * rng.uniform(0.985, 1.015)
    return Pose(
        width / 2 + dx, height / 2 + dy, radius, math.radians(float(rng.uniform(-6.0, 6.0)))
    )


def make_part(rng: np.random.Generator, size: tuple[int, int]) -> Surface:
    """A good part in a random pose, with its own grooves from turning."""
    pose = random_pose(rng, size)
    u, v = part_coordinates(pose, size)
    radius = np.hypot(u, v) + np.float32(1e-6)
    hole_distance, hole_x, hole_y = _nearest_hole(u, v)
    cover = _inside(1.0 - radius, pose) * _inside(radius - BORE, pose)
    cover *= _inside(hole_distance - HOLE_RADIUS, pose) * _keyway(u, v, pose)
    tilt = 0.9 * _bevel(radius, 0.965, 0.035) + 0.7 * _bevel(radius, HUB, 0.03)
    tilt -= 0.8 * _bevel(radius, BORE + 0.02, 0.03)
    chamfer = 0.9 * _bevel(hole_distance, HOLE_RADIUS + 0.015, 0.022)
    ux, uy = u / radius, v / radius
    x, y = _rotate(tilt * ux - chamfer * hole_x, tilt * uy - chamfer * hole_y, pose.angle)
    radial_x, radial_y = _rotate(ux, uy, pose.angle)
    grooves = _grooves(rng, radius)
    marking = 1 - 0.55 * _marking(pose, size)
    tint = np.array(STEEL, np.float32) * (marking * (1 + 0.10 * grooves))[..., None]
    return Surface(
        pose=pose,
        cover=cover,
        tilt_x=x,
        tilt_y=y,
        tint=tint,
        gloss=(1 + 0.35 * grooves) * marking,
        radial_x=radial_x,
        radial_y=radial_y,
        radius=radius,
        layer=np.zeros((*size, 3), np.float32),
        layer_cover=np.zeros(size, np.float32),
        layer_shadow=np.zeros(size, np.float32),
    )


def part_coordinates(pose: Pose, size: tuple[int, int]) -> tuple[Field, Field]:
    """Part coordinates (u, v) of every pixel centre."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    dx, dy = (x + 0.5 - pose.x) / pose.radius, (y + 0.5 - pose.y) / pose.radius
    return _rotate(dx.astype(np.float32), dy.astype(np.float32), -pose.angle)


def _rotate(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cos - y * sin, x * sin + y * cos


def _inside(distance: Field, pose: Pose) -> Field:
    """1 inside, 0 outside, one pixel of ramp: antialiased edges."""
    return np.asarray(np.clip(distance * pose.radius + 0.5, 0, 1), np.float32)


def _bevel(distance: Field, at: float, width: float) -> Field:
    return np.asarray(np.exp(-(((distance - at) / width) ** 2)), np.float32)


def _nearest_hole(u: Field, v: Field) -> tuple[Field, Field, Field]:
    """Distance to the nearest bolt hole's centre and the unit vector away from it."""
    pitch = 2 * math.pi / HOLES
    turn = np.asarray(np.round(np.arctan2(v, u) / pitch) * pitch, np.float32)
    x = np.asarray(u - HOLE_CIRCLE * np.cos(turn), np.float32)
    y = np.asarray(v - HOLE_CIRCLE * np.sin(turn), np.float32)
    distance = np.hypot(x, y) + np.float32(1e-6)
    return distance, x / distance, y / distance


def _keyway(u: Field, v: Field, pose: Pose) -> Field:
    """A slot in the bore, so that the part has one way up."""
    slot = (
        _inside(np.asarray(0.055 - np.abs(u), np.float32), pose)
        * _inside(-v, pose)
        * _inside(v + BORE + 0.075, pose)
    )
    return 1 - slot


def _grooves(rng: np.random.Generator, radius: Field) -> Field:
    """Concentric turning marks: noise along the radius at two scales."""
    fine = rng.standard_normal(140).astype(np.float32)
    coarse = np.repeat(rng.standard_normal(28).astype(np.float32), 5)
    profile = 0.6 * fine + 0.6 * np.convolve(coarse, np.ones(5) / 5, "same")
    return np.interp(radius, np.linspace(0, 1.1, 140), profile).astype(np.float32)


def _marking(pose: Pose, size: tuple[int, int]) -> Field:
    """The engraved part number, between two bolt holes."""
    picture = Pil.new("L", (size[1], size[0]))
    height = max(5.0, 0.17 * pose.radius)
    text = Pil.new("L", (round(0.50 * pose.radius), round(0.26 * pose.radius)))
    middle = (text.width / 2, text.height / 2)
    Draw.Draw(text).text(middle, MARKING, 255, Font.load_default(height), anchor="mm")
    text = text.rotate(-math.degrees(pose.angle), Pil.Resampling.BILINEAR)
    x, y = pose.to_pixels(0.0, HOLE_CIRCLE)
    picture.paste(text, (round(x - middle[0]), round(y - middle[1])))
    return np.asarray(picture, np.float32) / np.float32(255)
