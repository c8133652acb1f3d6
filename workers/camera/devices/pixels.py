"""Samples as cameras give them -> what is sent: formats by their names (PFNC), depth kept. Pure."""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_inspector.image.formats.bayer import demosaic

Samples = NDArray[Any]  # uint8 or uint16
_NAME = re.compile(r"(Mono|BayerRG|BayerGR|BayerGB|BayerBG|RGB|BGR|RGBa|BGRa)(8|10|12|14|16)")
_CHANNELS = {"RGB": 3, "BGR": 3, "RGBa": 4, "BGRa": 4}
KNOWN = "Mono8 to Mono16, BayerRG8 to BayerBG16, RGB8, BGR8, RGBa8, BGRa8"


class PixelFormat(NamedTuple):
    """What a device's pixels are."""

    name: str
    kind: str  # Mono, Bayer, RGB, BGR, RGBa, BGRa
    bits: int
    bayer: str | None = None  # pattern

    @property
    def channels(self) -> int:
        """Samples of a pixel."""
        return _CHANNELS.get(self.kind, 1)


def pixel_format(name: str) -> PixelFormat | None:
    """By its name; None for one that is not known here: packed samples, YUV, depths of colour."""
    found = _NAME.fullmatch(name.replace("RGB8Packed", "RGB8").replace("BGR8Packed", "BGR8"))
    if found is None:
        return None
    kind, bits = found[1], int(found[2])
    if kind.startswith("Bayer"):
        return PixelFormat(name, "Bayer", bits, kind[-2:])
    return None if kind != "Mono" and bits > 8 else PixelFormat(name, kind, bits)


class Picture(NamedTuple):
    """Pixels that can be sent: grey, RGB or a mosaic; 16 bits span all 16."""

    pixels: Samples  # [h, w] or [h, w, 3]
    bayer: str | None = None  # the pattern of a mosaic that was kept


def picture(samples: Samples, form: PixelFormat, *, convert_bayer: bool) -> Picture:
    """A copy of samples [h, w] or [h, w, channels], whose memory the device takes back."""
    if form.kind == "Bayer":
        full = full_scale(samples, form.bits)
        if not convert_bayer:
            return Picture(full, form.bayer)
        eight = full if full.dtype == np.uint8 else (full >> 8).astype(np.uint8)
        return Picture(demosaic(eight, str(form.bayer)))
    if form.kind == "Mono":
        return Picture(full_scale(samples, form.bits))
    colours = samples[:, :, 2::-1] if form.kind.startswith("BGR") else samples[:, :, :3]
    return Picture(np.array(colours, order="C"))


def full_scale(samples: Samples, bits: int) -> Samples:
    """A copy in which the highest value is white, whatever the depth; nothing is lost."""
    if bits == 8:
        return np.array(samples, np.uint8)
    found: Samples = np.left_shift(samples.astype("<u2"), 16 - bits)
    return found
