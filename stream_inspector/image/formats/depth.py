"""Samples of 16 bits -> 8 bits, on one scale for all frames of a category.

Cameras of 10 or 12 bits put them into 16-bit words. Where the highest bits are never used the high
byte alone would leave a handful of grey levels, so a view says how many bits count: stretching each
frame by its own largest value would move its scores.
"""

import io
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import PIL.Image as Pil
import PIL.TiffImagePlugin as Tiff
from numpy.typing import NDArray

from stream_inspector.errors import Undecodable
from stream_inspector.image.formats.limits import SIXTEEN_BIT_MODES

ALL_BITS = 16
BY_FILE = 0  # as many bits as the file says, all where it says nothing
_BITS, _PHOTOMETRIC, _MOST = 258, 262, 281
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B"}  # N: this machine's, where bytes begin with the low


@dataclass(frozen=True, slots=True)
class Samples:
    """What a file's header says of its samples; a picture forgets it when it is loaded."""

    raw_mode: str  # as the codec unpacks them
    deep: bool  # more than 8 bits
    stated: int | None = None  # bits that count, by the file
    from_white: bool = False  # 0 is white; Pillow turns that round for 8 bits only


def samples_of(opened: Pil.Image) -> Samples:
    """Of a picture that is not loaded yet."""
    raw = _raw_mode(opened)
    deep = opened.mode in SIXTEEN_BIT_MODES or ";16" in raw
    if not deep or not isinstance(opened, Tiff.TiffImageFile):
        return Samples(raw, deep)
    return Samples(raw, deep, _stated(opened), opened.tag_v2.get(_PHOTOMETRIC) == 0)


def eight_bits(picture: Pil.Image, data: bytes, samples: Samples, wanted: int) -> Pil.Image:
    """A deep picture with `wanted` bits that count (BY_FILE: the file's); what is above is white.

    Raises Undecodable where only the high byte can be had.
    """
    bits = wanted or samples.stated or ALL_BITS
    if picture.mode in SIXTEEN_BIT_MODES:
        small = _scaled(np.asarray(picture), bits - 8)
        return Pil.fromarray(255 - small if samples.from_white else small)
    if bits == ALL_BITS:
        return picture
    high, low = np.asarray(picture, np.uint16), _low_bytes(picture, data, samples.raw_mode)
    return Pil.fromarray(_scaled(high << 8 | low, bits - 8), picture.mode)


def used_bits(picture: Pil.Image) -> int:
    """Bits up to the highest one that is set anywhere; of RGB by its high byte."""
    if picture.mode in SIXTEEN_BIT_MODES:
        return int(np.asarray(picture).max(initial=0)).bit_length()
    most = max(high for _, high in cast("tuple[tuple[int, int], ...]", picture.getextrema()))
    return 8 + int(most).bit_length()


def _stated(opened: Tiff.TiffImageFile) -> int | None:
    """A TIFF of 10 or 12 bits, or one that says how large its values can be."""
    bits = max(opened.tag_v2.get(_BITS, (1,)))
    if 8 < bits < ALL_BITS:
        return int(bits)
    most = opened.tag_v2.get(_MOST)
    most = max(most) if isinstance(most, tuple) and most else most
    return most.bit_length() if isinstance(most, int) and 0xFF < most < 0xFFFF else None


def _low_bytes(picture: Pil.Image, data: bytes, raw: str) -> NDArray[np.uint16]:
    """Pillow keeps one byte of each sample; asked for the other byte order it keeps the other."""
    with Pil.open(io.BytesIO(data), formats=("PNG", "TIFF")) as again:
        swapped = raw[:-1] + _OTHER_BYTE.get(raw[-1], "L")
        again.tile = [_unpacked_as(tile, swapped) for tile in again.tile]
        try:
            again.load()
        except ValueError as error:
            raise Undecodable(
                f"of {raw} samples only the high byte can be read: save the picture as grey or RGB "
                "without alpha, or leave view.bits at 16"
            ) from error
        return np.asarray(again if again.mode == picture.mode else again.convert(picture.mode))


def _scaled(samples: NDArray[np.integer], shift: int) -> NDArray[np.uint8]:
    shifted = samples >> shift
    small: NDArray[np.uint8] = np.minimum(shifted, 255, out=shifted).astype(np.uint8)
    return small


def _raw_mode(opened: Pil.Image) -> str:
    for tile in getattr(opened, "tile", ()):
        args = tile[3]
        return str(args if isinstance(args, str) else args[0]) if args else ""
    return ""


def _unpacked_as(tile: Any, raw: str) -> Any:
    args = tile.args
    return tile._replace(args=raw if isinstance(args, str) else (raw, *args[1:]))
