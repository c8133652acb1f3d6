"""PNG, TIFF and BMP files that lost a part of their data."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.errors import Damaged, Undecodable
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.view.canvas import View

RNG = np.random.default_rng(2)
NOISE = Pil.fromarray(RNG.integers(0, 256, (120, 160, 3), np.uint8))
TYPES = {"PNG": "image/png", "TIFF": "image/tiff", "BMP": "image/bmp"}


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    NOISE.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def look(data: bytes, kind: str, **limits: Any) -> Any:
    return decode(data, TYPES[kind], View((120, 160)), DecodeLimits(**limits))


def patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def test_a_wrong_checksum_in_a_png_is_noticed_though_the_pixels_are_there() -> None:
    data = encoded("PNG")
    at = data.rindex(b"IEND") - 8  # the last chunk's checksum
    broken = patched(data, at, bytes(byte ^ 1 for byte in data[at : at + 4]))
    with pytest.raises(Damaged, match=r"checksum of a PNG chunk \(IDAT\) is wrong"):
        look(broken, "PNG")
    found = look(broken, "PNG", accept_damaged=True)
    assert found.damage
    assert (found.image == np.asarray(NOISE)).all()


def test_wrong_bits_in_a_png_are_noticed() -> None:
    data = encoded("PNG", compress_level=0)
    with pytest.raises(Damaged, match="checksum"):
        look(patched(data, len(data) // 2, b"\x55\xaa"), "PNG")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_png_without_its_end_is_damaged(share: float) -> None:
    data = encoded("PNG")
    with pytest.raises(Damaged, match="ends before its last chunk"):
        look(data[: int(len(data) * share)], "PNG")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows: bytes, interlaced: int = 0, size: tuple[int, int] = (160, 120)) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, interlaced))
    middle = len(rows) // 2
    parts = chunk(b"IDAT", rows[:middle]) + chunk(b"IDAT", b"") + chunk(b"IDAT", rows[middle:])
    return b"\x89PNG\r\n\x1a\n" + head + parts + chunk(b"IEND", b"")


@pytest.mark.parametrize("rows", [0, 60, 119])
def test_a_png_whose_rows_end_too_soon_is_damaged(rows: int) -> None:
    data = png(zlib.compress((b"\0" + bytes([77]) * 480) * rows))
    with pytest.raises(Undecodable):
        look(data, "PNG")


def test_a_png_with_black_rows_at_its_end_is_whole() -> None:
    assert look(png(zlib.compress(bytes(481 * 120))), "PNG").damage is None
    interlaced = sum(  # rows and bytes of the seven passes over 5 x 3 pixels
        rows * (1 + 3 * columns)
        for rows, columns in ((1, 1), (1, 1), (0, 2), (1, 1), (1, 3), (2, 2), (1, 5))
    )
    whole = png(zlib.compress(bytes(interlaced)), 1, (5, 3))
    short = png(zlib.compress(bytes(interlaced - 1)), 1, (5, 3))
    assert decode(whole, "image/png", View((3, 5)), DecodeLimits()).damage is None
    with pytest.raises(Undecodable):
        decode(short, "image/png", View((3, 5)), DecodeLimits())


COMPRESSIONS = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_whole_tiffs_are_whole(compression: str | None, mode: str) -> None:
    for rows in (8, 120):
        data = encoded("TIFF", mode, compression=compression, tiffinfo={278: rows})
        assert look(data, "TIFF").damage is None


def offsets_of(data: bytes) -> tuple[int, int, int]:
    """Where the entry of the strips' bytes stands, how many they are, and where their list is."""
    at = int.from_bytes(data[4:8], "little")
    for entry in range(int.from_bytes(data[at : at + 2], "little")):
        place = at + 2 + 12 * entry
        tag, _, count, value = struct.unpack_from("<HHII", data, place)
        if tag == 279:
            return place, count, value
    raise AssertionError("no strips")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tiff_without_some_of_its_strips_is_damaged(compression: str | None) -> None:
    data = encoded("TIFF", compression=compression, tiffinfo={278: 8})
    place, count, value = offsets_of(data)
    assert count == 15
    with pytest.raises(Damaged, match="1 of 15 strips"):  # one has no bytes
        look(patched(data, value + 4 * 9, bytes(4)), "TIFF")
    with pytest.raises(Damaged, match="10 of 15 strips"):  # the list is too short
        look(patched(data, place + 4, struct.pack("<I", 10)), "TIFF")
    with pytest.raises(Undecodable):  # the file is
        look(data[: len(data) // 2], "TIFF")


def test_lost_data_in_the_jpeg_of_a_tiff_is_noticed() -> None:
    data = encoded("TIFF", compression="jpeg", tiffinfo={278: 120})
    start = data.index(b"\xff\xda") + 14
    with pytest.raises(Damaged, match="lost data"):
        look(patched(data, start + 500, b"\xff\xd9" * 400), "TIFF")


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_bmp_without_its_last_rows_is_refused(mode: str) -> None:
    with pytest.raises(Undecodable):
        look(encoded("BMP", mode)[:-600], "BMP")


def test_run_lengths_that_end_too_soon_are_refused() -> None:
    body = bytes((160, 7, 0, 0)) * 60 + b"\0\1"  # half of the rows
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 1024)
    head += struct.pack("<IiiHHIIiiII", 40, 160, 120, 1, 8, 1, len(body), 0, 0, 256, 0)
    with pytest.raises(Undecodable):
        look(head + bytes(1024) + body, "BMP")
