"""Raw pixels of a frame -> picture: what a content type says of their samples.

Samples of 16 bits are little-endian and span all 16 bits: a camera of 12 bits shifts its own by 4.
"""

from dataclasses import dataclass

import numpy as np
import PIL.Image as Pil

from stream_inspector.errors import Undecodable
from stream_inspector.image.formats.bayer import PATTERNS, demosaic
from stream_inspector.image.formats.limits import DecodeLimits, check_size

_TYPE = "application/vnd.stream-inspector.raw-"
RAW_GRAY8, RAW_RGB8 = f"{_TYPE}gray8", f"{_TYPE}rgb8"


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How raw pixels lie in memory."""

    channels: int = 1
    bits: int = 8  # of a sample, 8 or 16
    bayer: str | None = None  # the mosaic's pattern


RAW_FORMATS = {
    RAW_GRAY8: RawFormat(),
    RAW_RGB8: RawFormat(channels=3),
    f"{_TYPE}gray16": RawFormat(bits=16),
} | {
    f"{_TYPE}bayer-{pattern.lower()}{bits}": RawFormat(bits=bits, bayer=pattern)
    for pattern in PATTERNS
    for bits in (8, 16)
}


def raw_picture(
    data: bytes, form: RawFormat, width: int | None, height: int | None, limits: DecodeLimits
) -> Pil.Image:
    """An L, RGB or I;16 picture. Raises Undecodable, TooLarge."""
    if width is None or height is None or width < 1 or height < 1:
        raise Undecodable(f"raw pixels need width and height of at least 1, got {width}x{height}")
    check_size(width, height, limits)
    expected = width * height * form.channels * form.bits // 8
    if len(data) != expected:
        raise Undecodable(
            f"raw frame of {width}x{height}x{form.channels} needs {expected} bytes, got {len(data)}"
        )
    shape = (height, width) if form.channels == 1 else (height, width, form.channels)
    samples = np.frombuffer(data, np.uint8 if form.bits == 8 else "<u2").reshape(shape)
    if form.bayer is None:
        return Pil.fromarray(samples)
    if min(width, height) < 2:
        raise Undecodable(f"a Bayer mosaic of {width}x{height}; at least 2x2 is needed")
    eight = samples if form.bits == 8 else (samples >> 8).astype(np.uint8)
    return Pil.fromarray(demosaic(eight, form.bayer))
