"""Bytes to pixels: every format, every limit, and nothing but FrameRejected on nonsense."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_inspector.errors import FrameRejected, TooLarge, TooSlow, Undecodable
from stream_inspector.image.decode import ENCODED, DecodeLimits, decode
from stream_inspector.image.formats.raw import RAW_GRAY8, RAW_RGB8
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image

LIMITS = DecodeLimits()


def picture(height: int = 40, width: int = 60, channels: int = 3) -> Image:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (5, 6, channels), np.uint8)
    large = np.kron(small, np.ones((height // 5, width // 6, 1), np.uint8))
    return large[..., 0] if channels == 1 else large


def encoded(array: NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Pil.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def pixels(
    data: bytes, content_type: str = "image/png", size: tuple[int, int] = (40, 60), **more: Any
) -> Image:
    return decode(data, content_type, View(size), LIMITS, **more).image


@pytest.mark.parametrize(("content_type", "kind"), sorted(ENCODED.items()))
def test_every_format_gives_the_pixels_back(content_type: str, kind: str) -> None:
    image = picture()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    found = pixels(encoded(image, kind, **options), content_type).astype(int)
    assert found.shape == (40, 60, 3)
    assert np.abs(found - image).mean() <= (3 if kind == "JPEG" else 0)


def test_raw_pixels_of_both_kinds() -> None:
    colour, grey = picture(), picture(channels=1)
    assert (pixels(colour.tobytes(), RAW_RGB8, width=60, height=40) == colour).all()
    found = pixels(grey.tobytes(), RAW_GRAY8, width=60, height=40)
    assert (found == grey[..., None]).all()


@pytest.mark.parametrize("length", [60 * 40 * 3 - 1, 60 * 40 * 3 + 1, 0])
def test_raw_pixels_must_be_exactly_as_many_as_announced(length: int) -> None:
    with pytest.raises(Undecodable, match="needs 7200 bytes"):
        pixels(bytes(length), RAW_RGB8, width=60, height=40)


@pytest.mark.parametrize(("width", "height"), [(None, 40), (60, None), (0, 40), (60, -1)])
def test_raw_pixels_need_a_size(width: int | None, height: int | None) -> None:
    with pytest.raises(Undecodable, match="width and height"):
        pixels(bytes(7200), RAW_RGB8, width=width, height=height)


def test_original_size_is_the_captured_one_though_jpeg_decodes_reduced() -> None:
    data = encoded(np.zeros((1000, 1500, 3), np.uint8), "JPEG")
    decoded = decode(data, "image/jpeg", View((128, 128)), LIMITS)
    assert decoded.original_size == (1500, 1000)
    assert decoded.image.shape == (128, 128, 3)


def test_reduced_jpeg_decoding_stays_close_to_the_full_one() -> None:
    ramp = np.linspace(0, 255, 1200 * 1200 * 3).reshape(1200, 1200, 3).astype(np.uint8)
    data = encoded(ramp, "JPEG", quality=95)
    full = Pil.open(io.BytesIO(data)).resize((128, 128), Pil.Resampling.BILINEAR)
    found = pixels(data, "image/jpeg", (128, 128))
    assert np.abs(found.astype(int) - np.asarray(full)).mean() < 2


def test_resizing_averages_instead_of_dropping_pixels() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(pixels(encoded(stripes), size=(8, 8)).astype(int) - 127).max() <= 10


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_high_byte(kind: str) -> None:
    grey = np.full((40, 60), 0x8040, np.uint16)
    assert (pixels(encoded(grey, kind), ENCODED_BY_KIND[kind]) == 0x80).all()


def big_endian_tiff(tags: dict[int, int], data: bytes) -> bytes:
    """A TIFF written by hand: tags with one 32-bit value each, then the pixels."""
    offset = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b""
    for tag, value in sorted({**tags, 273: 0}.items()):
        entries += struct.pack(">HHII", tag, 4, 1, offset if tag in (273, 324) else value)
    head = struct.pack(">2sHIH", b"MM", 42, 8, len(tags) + 1)
    return head + entries + struct.pack(">I", 0) + data


def test_big_endian_sixteen_bit_tiff() -> None:
    tags = {256: 2, 257: 1, 258: 16, 259: 1, 262: 1, 278: 1, 279: 4}
    data = big_endian_tiff(tags, struct.pack(">HH", 0x1200, 0xFE00))
    assert pixels(data, "image/tiff", (1, 2))[0, :, 0].tolist() == [0x12, 0xFE]


def test_alpha_is_dropped_not_blended() -> None:
    image = np.dstack([picture(), np.zeros((40, 60), np.uint8)])
    assert (pixels(encoded(image)) == picture()).all()


def test_orientation_tag_is_ignored() -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6
    data = encoded(picture(), exif=exif)
    assert (pixels(data) == picture()).all()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "RGBA"])
def test_other_pixel_formats_become_rgb(mode: str) -> None:
    stream = io.BytesIO()
    Pil.fromarray(picture()).convert(mode).save(stream, "TIFF")
    assert pixels(stream.getvalue(), "image/tiff").shape == (40, 60, 3)


def test_float_pixels_are_refused_with_advice() -> None:
    data = encoded(np.zeros((4, 4), np.float32), "TIFF")
    with pytest.raises(Undecodable, match="send 8-bit grey"):
        pixels(data, "image/tiff")


def test_too_many_bytes_are_refused_before_anything_else() -> None:
    with pytest.raises(TooLarge, match="max_frame_bytes"):
        decode(b"x" * 11, "image/png", View((8, 8)), DecodeLimits(max_bytes=10))


def bomb(width: int | None, height: int | None) -> bytes:
    """A tiny PNG whose header announces a huge image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR" + header) + chunk(b"IDAT" + zlib.compress(b"0" * 99))
    )


def chunk(body: bytes) -> bytes:
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_too_many_pixels_are_refused_before_decoding(side: int) -> None:
    with pytest.raises(TooLarge):
        pixels(bomb(side, side))


def test_raw_pixels_beyond_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge, match="max_pixels"):
        pixels(b"", RAW_RGB8, width=60_000, height=60_000)


@pytest.mark.parametrize("size", [(1, 70_000), (70_000, 1)])
def test_a_side_beyond_the_limit_is_refused_however_few_pixels_there_are(
    size: tuple[int, int],
) -> None:
    with pytest.raises(TooLarge, match=r"side of 70000 pixels.*images\.max_side"):
        pixels(bomb(*size))
    with pytest.raises(TooLarge, match="max_side"):
        pixels(bytes(70_000), RAW_GRAY8, width=size[0], height=size[1])


def test_what_needs_more_memory_than_the_limit_is_refused_before_decoding() -> None:
    limits = DecodeLimits(max_memory=40 * 2**20)
    fits, too_much = encoded(np.zeros((2000, 2000, 3), np.uint8)), bomb(4000, 2000)
    assert decode(fits, "image/png", View((8, 8)), limits).image.shape == (8, 8, 3)
    with pytest.raises(TooLarge, match=r"4000x2000 \(PNG RGB\) needs up to .*images\.decode_mb"):
        decode(too_much, "image/png", View((8, 8)), limits)


def test_a_jpeg_of_many_scans_is_refused_before_decoding() -> None:
    few = encoded(picture(), "JPEG", progressive=True)
    assert pixels(few, "image/jpeg").shape == (40, 60, 3)
    with pytest.raises(TooSlow, match="more than 64 scans"):
        pixels(with_scans(few, 70), "image/jpeg")


def test_markers_outside_of_the_picture_are_no_scans() -> None:
    data = encoded(picture(), "JPEG", progressive=True)
    comment = b"\xff\xda\0\2" * 100
    inside = data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]
    assert (pixels(inside, "image/jpeg") == pixels(data, "image/jpeg")).all()
    assert (pixels(data + comment, "image/jpeg") == pixels(data, "image/jpeg")).all()


def with_scans(progressive: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    last = progressive.rindex(b"\xff\xda")
    return progressive[:last] + progressive[last:-2] * count + b"\xff\xd9"


def test_a_tiny_tiff_with_a_huge_tile_is_refused() -> None:
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 322: 64_000, 323: 64_000, 324: 0, 325: 99}
    with pytest.raises(TooLarge, match=r"TIFF L.*decode_mb"):
        pixels(big_endian_tiff(tags, bytes(99)), "image/tiff")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_images_are_undecodable(kind: str, share: float) -> None:
    data = encoded(picture(), kind)
    with pytest.raises(Undecodable, match="bytes"):
        pixels(data[: int(len(data) * share)], ENCODED_BY_KIND[kind])


def test_a_comment_that_inflates_without_end_is_the_frames_fault() -> None:
    png = encoded(picture())
    text = chunk(b"zTXtComment\0\0" + zlib.compress(bytes(3 * 2**20)))
    with pytest.raises(Undecodable, match="ValueError"):
        pixels(png[:33] + text + png[33:])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PPM"])
def test_formats_that_are_not_ours_are_not_opened(kind: str) -> None:
    with pytest.raises(Undecodable, match="PNG, JPEG, BMP or TIFF"):
        pixels(encoded(picture(), kind))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41", "a film"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"GIF89a", "a GIF"),
        (b"%PDF-1.7", "a PDF"),
        (b"\r\n<!DOCTYPE html><html>", "a page of markup"),
        (b"<svg xmlns=''/>", "a page of markup"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (bytes(5000), "nothing but zeros"),
    ],
)
def test_what_the_bytes_are_instead_is_said(data: bytes, what: str) -> None:
    with pytest.raises(
        Undecodable, match=rf"the {len(data)} bytes are .*{what}.*; what can be read"
    ):
        pixels(data)


def test_unknown_content_type_is_named() -> None:
    with pytest.raises(Undecodable, match="image/gif"):
        pixels(b"GIF89a", "image/gif")


def test_no_bytes_is_said_so() -> None:
    with pytest.raises(Undecodable, match="no bytes"):
        pixels(b"")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([*ENCODED, RAW_RGB8, RAW_GRAY8, "text/plain"]))
def test_arbitrary_bytes_raise_nothing_but_frame_rejected(data: bytes, content_type: str) -> None:
    try:
        decode(data, content_type, View((8, 8)), LIMITS, width=3, height=2)
    except FrameRejected as error:
        assert str(error)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.integers(0, 4000), st.binary(min_size=1, max_size=8))
@pytest.mark.slow
def test_damaged_images_raise_nothing_but_frame_rejected(
    content_type: str, at: int, patch: bytes
) -> None:
    data = bytearray(SAMPLES[content_type])
    at %= len(data)
    data[at : at + len(patch)] = patch
    try:
        assert pixels(bytes(data), content_type, (8, 8)).shape == (8, 8, 3)
    except FrameRejected as error:
        assert str(error)


def test_threads_decode_alike() -> None:
    data = encoded(picture(), "JPEG")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: pixels(data, "image/jpeg"), range(32)))
    assert all((each == found[0]).all() for each in found)


ENCODED_BY_KIND = {kind: content_type for content_type, kind in ENCODED.items()}
SAMPLES = {content_type: encoded(picture(), kind) for content_type, kind in ENCODED.items()}
