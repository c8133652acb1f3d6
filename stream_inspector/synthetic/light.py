"""Light and camera: a surface on a conveyor belt -> the 8-bit picture.

Brushed metal reflects as a fan (Ward-like: the highlight depends on the angle between the brushing
and the half vector), chamfers as small mirrors, the belt not at all.
"""

import math
from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil
import PIL.ImageFilter as Filter
from numpy.typing import NDArray

from stream_inspector.synthetic.part import Field, Surface
from stream_inspector.verdict import Image

Colour = NDArray[np.float32]  # [H, W, 3], linear


@dataclass(frozen=True, slots=True)
class Lamp:
    """One lamp: direction to it, colour."""

    x: float
    y: float
    z: float
    colour: tuple[float, float, float]


def random_lamps(rng: np.random.Generator) -> tuple[Lamp, ...]:
    """A warm key lamp and a cool weak one opposite, a little different for each frame."""
    azimuth = math.radians(-125 + float(rng.uniform(-6, 6)))
    strength = float(rng.uniform(0.94, 1.06))
    return (
        _lamp(azimuth, 52, (1.00 * strength, 0.97 * strength, 0.91 * strength)),
        _lamp(azimuth + 2.7, 38, (0.30, 0.34, 0.40)),
    )


def _lamp(azimuth: float, elevation: float, colour: tuple[float, float, float]) -> Lamp:
    up = math.radians(elevation)
    flat = math.cos(up)
    return Lamp(flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(up), colour)


def photograph(surface: Surface, scene: np.random.Generator, noise: np.random.Generator) -> Image:
    """The picture [H, W, 3] that the camera sends."""
    lamps = random_lamps(scene)
    metal = _metal(surface, lamps)
    ground = _belt(surface, scene)
    cover = surface.cover[..., None]
    seen = ground * (1 - cover) + metal * cover
    seen *= (1 - 0.55 * surface.layer_shadow)[..., None]
    seen += surface.layer_cover[..., None] * (surface.layer - seen)
    return _expose(seen, scene, noise)


def _metal(surface: Surface, lamps: tuple[Lamp, ...]) -> Colour:
    nz = 1 / np.sqrt(1 + surface.tilt_x**2 + surface.tilt_y**2)
    nx, ny = surface.tilt_x * nz, surface.tilt_y * nz
    lit = surface.tint * (0.20 + 0.10 * nz)[..., None]  # the surroundings
    for lamp in lamps:
        diffuse = np.maximum(nx * lamp.x + ny * lamp.y + nz * lamp.z, 0)
        shine = 0.34 * diffuse + surface.gloss * _highlight(surface, nx, ny, nz, lamp)
        lit += surface.tint * shine[..., None] * np.array(lamp.colour, np.float32)
    return np.asarray(lit, np.float32)


def _highlight(surface: Surface, nx: Field, ny: Field, nz: Field, lamp: Lamp) -> Field:
    """Fan along the brushing on flat metal, mirror-like where it is tilted."""
    length = math.sqrt(lamp.x**2 + lamp.y**2 + (lamp.z + 1) ** 2)
    hx, hy, hz = lamp.x / length, lamp.y / length, (lamp.z + 1) / length
    along = hy * surface.radial_x - hx * surface.radial_y
    fan = (1 - along**2) ** 22
    facing = np.maximum(nx * hx + ny * hy + nz * hz, 0)
    return np.asarray(0.55 * fan * facing**4 + 0.75 * facing**60 * (1 - nz) * 6, np.float32)


def _belt(surface: Surface, rng: np.random.Generator) -> Colour:
    """Woven dark rubber with dust, the part's soft shadow and the dark inside of its holes."""
    height, width = surface.cover.shape
    unit = min(height, width) / 256
    x = np.arange(width, dtype=np.float32) / unit + rng.uniform(0, 8)
    y = np.arange(height, dtype=np.float32)[:, None] / unit + rng.uniform(0, 8)
    weave = np.sin(x * 0.80 + np.sin(y * 0.40)) * np.sin(y * 0.80)
    grain = _smooth_noise(rng, surface.cover.shape, 1.2) + _smooth_noise(rng, (height, width), 9)
    tone = 0.060 * (1 + 0.16 * weave + 0.10 * grain)
    tone *= 1 - 0.62 * _shadow(surface)
    inside = np.clip(1.4 - surface.radius, 0.0, 0.4) / 0.4
    tone = np.where(surface.radius < 0.95, tone * (0.75 - 0.35 * inside), tone)
    return np.asarray(tone[..., None] * np.array([0.85, 1.04, 1.12]), np.float32)


def _shadow(surface: Surface) -> Field:
    """The part's own shadow: its disc, shifted away from the key lamp and blurred."""
    pose = surface.pose
    height, width = surface.cover.shape
    x = np.arange(width, dtype=np.float32) - pose.x - 0.055 * pose.radius
    y = np.arange(height, dtype=np.float32)[:, None] - pose.y - 0.080 * pose.radius
    distance = 1.0 - np.hypot(x, y) / pose.radius
    return np.asarray(np.clip(distance / 0.12 + 0.5, 0, 1), np.float32)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Field:
    """Unit normal noise with features of `cell` pixels (of a 256-pixel frame)."""
    cell *= min(shape) / 256
    rows, columns = max(2, round(shape[0] / cell)), max(2, round(shape[1] / cell))
    coarse = Pil.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0]), Pil.Resampling.BILINEAR))


def _expose(seen: Colour, scene: np.random.Generator, noise: np.random.Generator) -> Image:
    """Uneven light, vignette, exposure, shot and read noise, gamma, lens blur, 8 bits."""
    height, width = seen.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope_x, slope_y = scene.uniform(-0.06, 0.06, 2)
    field = (1 + slope_x * x + slope_y * y) * (1 - 0.16 * (x * x + y * y))
    gains = (scene.uniform(0.985, 1.015, 3) * scene.uniform(1.01, 1.09)).astype(np.float32)
    light = np.clip(seen * (field[..., None] * gains), 0, 1)
    grain = noise.standard_normal(light.shape, np.float32)
    light += grain * np.sqrt(light * np.float32(2.2e-4) + np.float32(4e-6))
    encoded = np.clip(light, 0, 1) ** np.float32(1 / 2.2)
    picture = Pil.fromarray((encoded * 255 + 0.5).astype(np.uint8))
    return np.asarray(picture.filter(Filter.GaussianBlur(0.45 * min(height, width) / 256)))
