"""What decoding one picture may cost, judged from its header: nothing is decoded before.

`decode_bytes` says how much memory a decode takes at most. tests/core/test_decode_memory.py
measures that in processes of its own.
"""

import math
from dataclasses import dataclass

import PIL.Image as Pil
import PIL.JpegImagePlugin as Jpeg
import PIL.TiffImagePlugin as Tiff

from stream_inspector.errors import TooLarge, TooSlow
from stream_inspector.image.formats.lost_data import START_OF_SCAN, jpeg_scans

SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

_MB = 2**20
_GREY_MODES = frozenset({"1", "L"})
_ONE_BYTE_MODES = _GREY_MODES | {"P"}
_STORED = 4  # bytes of a pixel in Pillow, unless it is grey: RGB is padded
_COEFFICIENT = 2  # bytes; a progressive JPEG keeps all of them, of the whole picture
_WEIGHT = 16  # bytes for each row and column: a resize knows each pixel's share in doubles
_ROW = 8  # bytes of a pointer, for each row of each image
_BITS, _SAMPLES, _ROWS_PER_STRIP = 258, 277, 278
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # a tile is allocated whole, however small the image
_OTHER = 12 * _MB  # tables, buffers, and what `decode` allows texts to take


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one frame may cost, and whether it may have lost data."""

    max_bytes: int = 8 * _MB  # encoded
    max_pixels: int = 50_000_000
    max_side: int = 65_535  # the most that a JPEG can have
    max_scans: int = 64  # of a JPEG; encoders write about 10
    max_memory: int = 512 * _MB  # bytes
    accept_damaged: bool = False  # lost data is told with the picture instead of refused


def check_bytes(data: bytes, limits: DecodeLimits) -> None:
    """Raises TooLarge."""
    if len(data) > limits.max_bytes:
        raise TooLarge(
            f"frame has {len(data)} bytes; the limit is {limits.max_bytes} "
            "(setting kafka.max_frame_bytes)"
        )


def check_size(width: int, height: int, limits: DecodeLimits) -> None:
    """Raises TooLarge."""
    if max(width, height) > limits.max_side:
        raise TooLarge(
            f"image of {width}x{height} has a side of {max(width, height)} pixels; the limit is "
            f"{limits.max_side} (setting images.max_side)"
        )
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"image of {width}x{height} has {width * height} pixels; the limit is "
            f"{limits.max_pixels} (setting images.max_pixels)"
        )


def check_scans(data: bytes, limits: DecodeLimits) -> None:
    """Each scan of a JPEG costs a walk over the whole picture. Raises TooSlow."""
    if jpeg_scans(data, limits.max_scans) > limits.max_scans:
        raise TooSlow(
            f"JPEG has more than {limits.max_scans} scans (setting images.max_scans); encoders "
            "write about 10"
        )


def check_memory(  # noqa: PLR0917 - those of `decode_bytes`, and the limits
    opened: Pil.Image,
    data: bytes,
    full: tuple[int, int],
    canvas: tuple[int, int],
    limits: DecodeLimits,
    copied: int = 0,
) -> None:
    """Raises TooLarge. The arguments are those of `decode_bytes`."""
    needed = decode_bytes(opened, data, full, canvas, copied)
    if needed > limits.max_memory:
        raise TooLarge(
            f"image of {full[0]}x{full[1]} ({opened.format} {opened.mode}) needs up to "
            f"{needed // _MB} MiB to decode; the limit is {limits.max_memory // _MB} "
            "(setting images.decode_mb)"
        )


def decode_bytes(
    opened: Pil.Image,
    data: bytes,
    full: tuple[int, int],
    canvas: tuple[int, int],
    copied: int = 0,
) -> int:
    """Memory that decoding `data` takes at most, beside the data.

    `opened` may be reduced from its `full` size (width, height); `canvas` is [H, W]; `copied` bytes
    of each pixel are copies of a picture that is turned or scaled.
    """
    width, height = opened.size
    of_pixel = _stored(opened.mode) + _converted(opened.mode) + copied
    of_side = _WEIGHT * (width + height) + 2 * _ROW * height
    grey = opened.mode in _GREY_MODES | SIXTEEN_BIT_MODES
    between = (1 if grey else _STORED) * canvas[1] * height  # a resize does columns, then rows
    picture = width * height * of_pixel + of_side + between + 3 * _STORED * math.prod(canvas)
    return picture + _reader_bytes(opened, data, full) + len(data) + _OTHER


def _stored(mode: str) -> int:
    if mode in SIXTEEN_BIT_MODES:
        return 2
    return 1 if mode in _ONE_BYTE_MODES else _STORED


def _converted(mode: str) -> int:
    """Bytes of a pixel's copies on its way to 8-bit grey or RGB."""
    if mode in {"L", "RGB"}:
        return 0
    if mode in SIXTEEN_BIT_MODES:
        return 7  # copied twice, shifted, halved
    return 1 if mode == "1" else _STORED


def _reader_bytes(opened: Pil.Image, data: bytes, full: tuple[int, int]) -> int:
    """What the format's reader holds beside the picture."""
    if isinstance(opened, Tiff.TiffImageFile):
        return 0 if opened.info.get("compression") == "raw" else _piece_bytes(opened)
    pixels, bands = opened.width * opened.height, len(opened.getbands())
    if isinstance(opened, Jpeg.JpegImageFile):
        several = data.count(START_OF_SCAN) > 1
        return several * _coefficient_bytes(opened, full) + (3 * pixels if bands == 3 else 0)
    runs = opened.format == "BMP" and bands == 1  # run lengths are expanded first
    return 2 * pixels if runs else 0


def _coefficient_bytes(opened: Jpeg.JpegImageFile, full: tuple[int, int]) -> int:
    """With several scans all are kept, of the whole picture, however much it is reduced."""
    parts = [vertical * horizontal for _, vertical, horizontal, _ in opened.layer]
    share = sum(parts) / max(1, *parts)  # of the pixels, over all colours
    return int(_COEFFICIENT * share * (full[0] + 64) * (full[1] + 64))


def _piece_bytes(opened: Tiff.TiffImageFile) -> int:
    """Of one strip or tile."""
    tags = opened.tag_v2
    width, rows = opened.width, min(opened.height, int(tags.get(_ROWS_PER_STRIP, opened.height)))
    if _TILE_WIDTH in tags:
        width, rows = int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1))
    bits: int = max(tags.get(_BITS, (1,))) * int(tags.get(_SAMPLES, 1))
    return width * rows * bits // 8
