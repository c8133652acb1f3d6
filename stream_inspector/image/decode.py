"""Encoded bytes -> canvas of a category's view: a frame's first step in the worker.

Training, calibration, evaluation and the worker all come through here, so that the pixels a
threshold was set on are the pixels it judges. What a picture may cost is judged by its header, and
lost data is noticed; whatever a codec raises becomes a FrameRejected. A codec may still hang, or
crash its process: `workers/runtime/decoders` runs this where that costs the frame only.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
import PIL
import PIL.Image as Pil
import PIL.PngImagePlugin as Png
import PIL.TiffImagePlugin as Tiff

from stream_inspector.errors import Damaged, FrameRejected, TooLarge, Undecodable
from stream_inspector.image.formats.depth import BY_FILE, Samples, eight_bits, samples_of, used_bits
from stream_inspector.image.formats.jpeg import check_jpeg, decode_jpeg
from stream_inspector.image.formats.limits import (
    SIXTEEN_BIT_MODES,
    DecodeLimits,
    check_bytes,
    check_memory,
    check_scans,
    check_size,
)
from stream_inspector.image.formats.lost_data import (
    png_damage,
    png_shortage,
    tiff_damage,
    tiff_jpegs,
)
from stream_inspector.image.formats.raw import RAW_FORMATS, raw_picture
from stream_inspector.image.formats.signatures import looks_like
from stream_inspector.image.formats.traits import (
    NONE,
    Traits,
    Turn,
    has_alpha,
    other_pictures,
    refuse_planes,
    turn_of,
)
from stream_inspector.image.view.canvas import GREY, View
from stream_inspector.verdict import Image

__all__ = ["DecodeLimits", "Decoded", "decode"]  # what other modules look for here

ENCODED = {"image/png": "PNG", "image/jpeg": "JPEG", "image/bmp": "BMP", "image/tiff": "TIFF"}
FILE_TYPES = {  # file name suffix, lower case -> content type
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",  # as Windows saves them
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}

# Texts beside the picture are of no use here; Pillow inflates up to 64 MiB of them.
Png.MAX_TEXT_MEMORY = 4 * 2**20

_JPEGS = frozenset({"JPEG", "MPO"})
_GREY_MODES = frozenset({"1", "L"})  # resized before they become RGB: a third of the work
_COLOUR_MODES = frozenset({"LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, ready for the detector."""

    image: Image  # [H, W, 3], the view's canvas
    original_size: tuple[int, int]  # (width, height), upright unless the view says otherwise
    damage: str | None = None  # what was lost of it, where that is accepted
    traits: Traits = NONE


def decode(  # noqa: PLR0917 - raw pixels come with two more numbers, in the wire's order
    data: bytes,
    content_type: str,
    view: View,
    limits: DecodeLimits,
    width: int | None = None,
    height: int | None = None,
) -> Decoded:
    """Decode one frame to the canvas of its view with one antialiased resize.

    `width` and `height` are for raw pixels only. The view says whether EXIF orientation is obeyed
    and how many bits of 16 count. Alpha is dropped, CMYK becomes RGB without a profile, and a file
    of several pictures is none. Raises Undecodable (Damaged where data was lost), TooLarge or
    TooSlow.
    """
    check_bytes(data, limits)
    if content_type in RAW_FORMATS:
        raw = raw_picture(data, RAW_FORMATS[content_type], width, height, limits)
        samples = Samples(raw.mode, deep=raw.mode in SIXTEEN_BIT_MODES)
        return _resized(_eight_bit(raw, data, samples, view)[0], view)
    if content_type not in ENCODED:
        allowed = ", ".join((*ENCODED, *RAW_FORMATS))
        raise Undecodable(f"content type {content_type!r} is not supported; allowed: {allowed}")
    if not data:
        raise Undecodable("no bytes: a camera sent an empty value, or the file is empty")
    return _encoded(data, view, limits)


def _encoded(data: bytes, view: View, limits: DecodeLimits) -> Decoded:
    try:
        return _open_and_resize(data, view, limits)
    except FrameRejected:
        raise
    except (Pil.DecompressionBombError, Pil.DecompressionBombWarning, MemoryError) as error:
        raise TooLarge(f"image is too large to decode: {error}") from error
    except PIL.UnidentifiedImageError as error:
        raise Undecodable(_unidentified(data)) from error
    except Exception as error:  # codecs raise anything on malformed bytes; the frame is at fault
        raise Undecodable(
            f"image of {len(data)} bytes is damaged or truncated: {type(error).__name__}: {error}"
        ) from error


def _unidentified(data: bytes) -> str:
    what, wanted = looks_like(data), "PNG, JPEG, BMP or TIFF"
    if what:
        return f"the {len(data)} bytes are {what}; what can be read is {wanted}"
    return f"{len(data)} bytes are no whole {wanted} image (they begin with {data[:8].hex(' ')})"


def _open_and_resize(data: bytes, view: View, limits: DecodeLimits) -> Decoded:
    with Pil.open(io.BytesIO(data), formats=tuple(ENCODED.values())) as opened:
        check_size(*opened.size, limits)
        _check_mode(opened.mode)
        refuse_planes(opened)
        further, turn, samples = (
            other_pictures(opened),
            turn_of(opened, view.upright),
            samples_of(opened),
        )
        stored = opened.size
        # JPEG decodes at a half, quarter or eighth where that still covers the canvas.
        opened.draft("RGB", turn.size(_wanted(view)))
        check_memory(opened, data, stored, view.canvas, limits, _copied(turn, samples, view))
        picture, damage = _picture(opened, data, limits)
        small, bits = _eight_bit(picture, data, samples, view)
        seen = Traits(turn.orientation, has_alpha(picture), picture.mode == "CMYK", further, bits)
        return Decoded(_resized(turn.turned(small), view).image, turn.size(stored), damage, seen)


def _picture(opened: Pil.Image, data: bytes, limits: DecodeLimits) -> tuple[Pil.Image, str | None]:
    """The picture, not yet loaded perhaps, and what was lost of it. Raises Damaged."""
    if opened.format in _JPEGS:
        check_scans(data, limits)
    try:
        return _whole(opened, data, strict=True), None
    except Damaged as error:
        if not limits.accept_damaged:
            raise
        return _whole(opened, data, strict=False), str(error)


def _whole(opened: Pil.Image, data: bytes, *, strict: bool) -> Pil.Image:
    """Raises Damaged if `strict`."""
    if opened.format in _JPEGS:
        return decode_jpeg(data, opened.mode, opened.size, strict) or opened
    if strict:
        damage = _damage(opened, data)
        if damage:
            raise Damaged(f"image of {len(data)} bytes lost data: {damage}")
    return opened


def _damage(opened: Pil.Image, data: bytes) -> str | None:
    if opened.format == "PNG":
        return png_damage(data) or _missing_rows(opened, data)
    if not isinstance(opened, Tiff.TiffImageFile):
        return None  # pixels that are missing in a BMP are an error of its own
    for jpeg in tiff_jpegs(opened, data):
        check_jpeg(jpeg)
    return tiff_damage(opened, data)


def _missing_rows(opened: Pil.Image, data: bytes) -> str | None:
    """Rows that a PNG does not have stay zero: only then its data is looked through again."""
    opened.load()
    last = opened.crop((0, opened.height - 1, opened.width, opened.height))
    if last.getbbox(alpha_only=False) is not None:
        return None
    return png_shortage(data)


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
    small = picture.resize(size, Pil.Resampling.BILINEAR, box)
    pixels = np.asarray(small if small.mode == "RGB" else small.convert("RGB"))
    if pixels.shape[:2] == view.canvas:
        return Decoded(pixels, picture.size)
    canvas = np.full((*view.canvas, 3), GREY, np.uint8)
    canvas[rows, columns] = pixels
    return Decoded(canvas, picture.size)


def _check_mode(mode: str) -> None:
    if mode not in _GREY_MODES | _COLOUR_MODES | SIXTEEN_BIT_MODES:
        raise Undecodable(
            f"pixel format {mode} is not supported; send 8-bit grey, 8-bit RGB or 16-bit grey"
        )


def _copied(turn: Turn, samples: Samples, view: View) -> int:
    """Bytes of a pixel in copies that only some pictures need."""
    return 4 * (turn.method is not None) + 16 * (samples.deep and bool(view.bits))


def _eight_bit(
    picture: Pil.Image, data: bytes, samples: Samples, view: View
) -> tuple[Pil.Image, int | None]:
    """Grey or RGB, and how many bits of 16 were used, where only the picture tells."""
    if not samples.deep:
        return _grey_or_rgb(picture), None
    picture.load()
    deep = _grey_or_rgb(picture)
    bits = None if samples.stated or view.bits else used_bits(deep)
    by_rule = samples if view.bits is not None else Samples(samples.raw_mode, deep=True)
    return eight_bits(deep, data, by_rule, view.bits or BY_FILE), bits


def _grey_or_rgb(picture: Pil.Image) -> Pil.Image:
    if picture.mode in SIXTEEN_BIT_MODES:
        return picture
    wanted = "L" if picture.mode in _GREY_MODES else "RGB"
    return picture if picture.mode == wanted else picture.convert(wanted)
