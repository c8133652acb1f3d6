"""Samples of 10, 12 or 14 bits keep their grey levels, in every file kind that has them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest
from numpy.typing import NDArray

from stream_inspector.errors import Undecodable
from stream_inspector.image.decode import Decoded, DecodeLimits, decode
from stream_inspector.image.view.canvas import View

SIZE = (16, 32)


def ramp(bits: int, channels: int = 1) -> NDArray[np.uint16]:
    """Every 8th of the values of so many bits, [16, 32] or [16, 32, channels]."""
    shape = SIZE if channels == 1 else (*SIZE, channels)
    return np.linspace(0, 2**bits - 1, int(np.prod(shape))).astype(np.uint16).reshape(shape)


def png(samples: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of grey, grey with alpha, RGB or RGBA."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    height, width = samples.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2] if samples.ndim == 3 else 1]
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(samples: NDArray[Any], order: str = "<", bits: int = 16, **tags: int) -> bytes:
    """An uncompressed TIFF of one strip, with its samples interleaved."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if bits == 12:
        flat = samples.reshape(-1, 2).astype(int)
        packed = np.stack(
            [flat[:, 0] >> 4, (flat[:, 0] & 15) << 4 | flat[:, 1] >> 8, flat[:, 1] & 255], 1
        )
        data = packed.astype(np.uint8).tobytes()
    else:
        data = samples.astype(f"{order}u2").tobytes()
    plain = {256: SIZE[1], 257: SIZE[0], 259: 1, 262: 2 if channels == 3 else 1, 277: channels}
    plain |= {258: bits, 278: SIZE[0], 279: len(data), 273: 0}
    plain |= {int(name[1:]): value for name, value in tags.items()}
    at = 8 + 2 + 12 * len(plain) + 4
    plain[273] = at + 6
    entries = b""
    for tag, value in sorted(plain.items()):
        if tag == 258 and channels == 3:
            entries += struct.pack(f"{order}HHII", tag, 3, 3, at)
        elif tag == 258:
            entries += struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, value)
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(plain))
    return head + entries + bytes(4) + struct.pack(f"{order}3H", *[bits] * 3) + data


def seen(data: bytes, bits: int | None, kind: str = "image/png") -> Decoded:
    return decode(data, kind, View(SIZE, upright=True, bits=bits), DecodeLimits())


def compressed(samples: NDArray[np.uint16], how: str) -> bytes:
    stream = io.BytesIO()
    Pil.fromarray(samples).save(stream, "TIFF", compression=how)
    return stream.getvalue()


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", ["png", "<", ">"])
def test_the_bits_that_count_are_kept(bits: int, channels: int, order: str) -> None:
    samples = ramp(bits, channels)
    data = png(samples) if order == "png" else tiff(samples, order)
    kind = "image/png" if order == "png" else "image/tiff"

    found = seen(data, bits, kind).image

    expected = (samples >> (bits - 8)).astype(np.uint8)
    assert (found == (expected if channels == 3 else expected[..., None])).all()


@pytest.mark.parametrize("how", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiffs_too(how: str) -> None:
    found = seen(compressed(ramp(12), how), 12, "image/tiff").image
    assert (found[..., 0] == ramp(12) >> 4).all()


def test_what_lies_above_the_bits_that_count_is_white() -> None:
    assert seen(png(np.full(SIZE, 0x1234, np.uint16)), 12).image.min() == 255


def test_a_file_that_says_its_bits_needs_no_setting() -> None:
    packed, said = tiff(ramp(12), ">", 12), tiff(ramp(10), t281=1023)
    with Pil.open(io.BytesIO(said)) as opened:
        assert opened.mode == "I;16"
    assert (seen(said, 0, "image/tiff").image[..., 0] == ramp(10) >> 2).all()
    assert seen(said, 0, "image/tiff").traits.bits is None
    try:
        found = seen(packed.replace(b"MM", b"MM"), 0, "image/tiff").image[..., 0]
    except Undecodable:
        return  # Pillow reads 12 bits of little-endian files only
    assert (found == ramp(12) >> 4).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_used_bits_are_told_where_only_the_picture_says_them(channels: int) -> None:
    assert seen(png(ramp(12, channels)), 0).traits.bits == 12
    assert seen(png(ramp(16, channels)), 0).traits.bits == 16
    assert seen(png(ramp(12, channels)), 12).traits.bits is None


def test_grey_with_alpha_keeps_its_high_byte_or_is_refused() -> None:
    assert seen(png(ramp(16, 2)), 0).image.max() == 255
    with pytest.raises(Undecodable, match="only the high byte"):
        seen(png(ramp(12, 2)), 12)


def test_models_of_before_see_the_high_byte() -> None:
    assert (seen(png(ramp(12)), None).image[..., 0] == ramp(12) >> 8).all()
    assert (seen(tiff(ramp(10), t281=1023), None, "image/tiff").image[..., 0] <= 3).all()


def test_a_tiff_that_counts_from_white_is_turned_round() -> None:
    found = seen(tiff(ramp(16), t262=0), 0, "image/tiff").image[..., 0]
    assert (found == 255 - (ramp(16) >> 8)).all()
