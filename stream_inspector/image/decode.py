"""Encoded bytes -> canvas of a category's view: a frame's first step in the worker.

Training, calibration, evaluation and the worker all come through here, so that the pixels a
threshold was set on are the pixels it judges. Bytes and pixel counts are checked before anything
is decoded; whatever a codec raises becomes a FrameRejected. Safe to call from several threads.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
import PIL
import PIL.Image as Pil
import PIL.TiffImagePlugin as Tiff
from numpy.typing import NDArray

from stream_inspector.errors import FrameRejected, TooLarge, Undecodable
from stream_inspector.image.view.canvas import GREY, View
from stream_inspector.verdict import Image

RAW_GRAY8 = "application/vnd.stream-inspector.raw-gray8"
RAW_RGB8 = "application/vnd.stream-inspector.raw-rgb8"
RAW_CHANNELS = {RAW_GRAY8: 1, RAW_RGB8: 3}
ENCODED = {"image/png": "PNG", "image/jpeg": "JPEG", "image/bmp": "BMP", "image/tiff": "TIFF"}
FILE_TYPES = {  # file name suffix, lower case -> content type
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}

_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_TILE_TAGS = (322, 323)  # TIFF TileWidth, TileLength: allocated whole, however small the image


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one frame may cost: encoded bytes and decoded pixels."""

    max_bytes: int = 8 * 2**20
    max_pixels: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, ready for the detector."""

    image: Image  # [H, W, 3], the view's canvas
    original_size: tuple[int, int]  # (width, height) as captured


def decode(  # noqa: PLR0917 - raw pixels come with two more numbers, in the wire's order
    data: bytes,
    content_type: str,
    view: View,
    limits: DecodeLimits,
    width: int | None = None,
    height: int | None = None,
) -> Decoded:
    """Decode one frame to the canvas of its view with one antialiased resize.

    `width` and `height` are for raw pixels only. EXIF orientation is ignored: regions are told in
    pixels as captured, and masks and fixed cameras know no rotation. Alpha is dropped. 16-bit grey
    keeps its high byte (a fixed scale; stretching each frame would move its scores), so a camera
    with 10 or 12 bits has to align them to the left. Raises Undecodable or TooLarge.
    """
    if len(data) > limits.max_bytes:
        raise TooLarge(
            f"frame has {len(data)} bytes; the limit is {limits.max_bytes} "
            "(setting kafka.max_frame_bytes)"
        )
    if content_type in RAW_CHANNELS:
        return _resized(_raw(data, RAW_CHANNELS[content_type], width, height, limits), view)
    if content_type not in ENCODED:
        allowed = ", ".join((*ENCODED, *RAW_CHANNELS))
        raise Undecodable(f"content type {content_type!r} is not supported; allowed: {allowed}")
    if not data:
        raise Undecodable("frame has no bytes; the camera sent an empty value")
    return _encoded(data, view, limits)


def _raw(
    data: bytes, channels: int, width: int | None, height: int | None, limits: DecodeLimits
) -> Pil.Image:
    if width is None or height is None or width < 1 or height < 1:
        raise Undecodable(f"raw pixels need width and height of at least 1, got {width}x{height}")
    _check_pixels(width, height, limits)
    expected = width * height * channels
    if len(data) != expected:
        raise Undecodable(
            f"raw frame of {width}x{height}x{channels} needs {expected} bytes, got {len(data)}"
        )
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Pil.fromarray(np.frombuffer(data, np.uint8).reshape(shape))


def _encoded(data: bytes, view: View, limits: DecodeLimits) -> Decoded:
    try:
        return _open_and_resize(data, view, limits)
    except FrameRejected:
        raise
    except (Pil.DecompressionBombError, Pil.DecompressionBombWarning, MemoryError) as error:
        raise TooLarge(f"image is too large to decode: {error}") from error
    except PIL.UnidentifiedImageError as error:
        raise Undecodable(
            f"{len(data)} bytes are no whole PNG, JPEG, BMP or TIFF image (they begin with "
            f"{data[:8].hex(' ')})"
        ) from error
    except Exception as error:  # codecs raise anything on malformed bytes; the frame is at fault
        raise Undecodable(
            f"image of {len(data)} bytes is damaged or truncated: {type(error).__name__}: {error}"
        ) from error


def _open_and_resize(data: bytes, view: View, limits: DecodeLimits) -> Decoded:
    with Pil.open(io.BytesIO(data), formats=tuple(ENCODED.values())) as opened:
        original = opened.size
        _check_pixels(*original, limits)
        if isinstance(opened, Tiff.TiffImageFile):
            _check_tiles(opened, limits)
        # JPEG decodes at a half, quarter or eighth where that still covers the canvas.
        opened.draft("RGB", _wanted(view))
        return Decoded(_resized(opened, view).image, original)


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"image of {width}x{height} has {width * height} pixels; the limit is "
            f"{limits.max_pixels} (setting worker.max_pixels)"
        )


def _check_tiles(image: Tiff.TiffImageFile, limits: DecodeLimits) -> None:
    tile = math.prod(int(image.tag_v2.get(tag, 1)) for tag in _TILE_TAGS)
    if tile > limits.max_pixels:
        raise TooLarge(f"TIFF tile has {tile} pixels; the limit is {limits.max_pixels}")


def _wanted(view: View) -> tuple[int, int]:
    """Width and height of a frame whose region is as large as the canvas shows it."""
    rows, columns = view.inside
    left, top, right, bottom = view.region
    width, height = columns.stop - columns.start, rows.stop - rows.start
    return math.ceil(width / (right - left)), math.ceil(height / (bottom - top))


def _resized(picture: Pil.Image, view: View) -> Decoded:
    rows, columns = view.inside
    size = (columns.stop - columns.start, rows.stop - rows.start)
    box = view.crop(picture.size)
    small = np.asarray(_as_rgb(picture).resize(size, Pil.Resampling.BILINEAR, box))
    if small.shape[:2] == view.canvas:
        return Decoded(small, picture.size)
    canvas = np.full((*view.canvas, 3), GREY, np.uint8)
    canvas[rows, columns] = small
    return Decoded(canvas, picture.size)


def _as_rgb(picture: Pil.Image) -> Pil.Image:
    if picture.mode in _EIGHT_BIT_MODES:
        return picture.convert("RGB")
    if picture.mode in _SIXTEEN_BIT_MODES:
        return Pil.fromarray(_high_byte(np.asarray(picture))).convert("RGB")
    raise Undecodable(
        f"pixel format {picture.mode} is not supported; send 8-bit grey, 8-bit RGB or 16-bit grey"
    )


def _high_byte(grey: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return (grey >> 8).astype(np.uint8)
