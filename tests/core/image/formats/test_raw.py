"""Raw pixels of all depths, and mosaics, become pictures."""

import numpy as np
import pytest

from stream_inspector.errors import Undecodable
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.formats.bayer import PATTERNS, demosaic
from stream_inspector.image.formats.raw import RAW_FORMATS
from stream_inspector.image.view.canvas import View

TYPE = "application/vnd.stream-inspector.raw-"
LIMITS = DecodeLimits()


def mosaic_of(picture: np.ndarray, pattern: str) -> np.ndarray:
    """What a sensor with these filters sees of [h, w, 3]."""
    order = pattern + {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}[pattern]
    seen = np.empty(picture.shape[:2], picture.dtype)
    for place, colour in enumerate(order):
        row, column = divmod(place, 2)
        seen[row::2, column::2] = picture[row::2, column::2, "RGB".index(colour)]
    return seen


def scene(height: int, width: int) -> np.ndarray:
    """Colours that change slowly, each in a way of its own."""
    rows, columns = np.mgrid[:height, :width]
    down, right = rows * 200 // height, columns * 200 // width
    return np.stack([down, right, 200 - (down + right) // 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(40, 60), (41, 61), (300, 20)])
def test_a_mosaic_shows_the_scene(pattern: str, size: tuple[int, int]) -> None:
    picture = scene(*size)
    found = demosaic(mosaic_of(picture, pattern), pattern)
    off = np.abs(found.astype(int) - picture)[1:-1, 1:-1]
    assert off.max() <= 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_colour_stays_one_colour_to_the_border(pattern: str) -> None:
    picture = np.full((7, 5, 3), (200, 100, 50), np.uint16) * 256
    assert (demosaic(mosaic_of(picture, pattern), pattern) == picture).all()


def test_sixteen_bits_of_grey_keep_their_order() -> None:
    ramp = np.linspace(0, 65_535, 64 * 64).astype("<u2").reshape(64, 64)
    found = decode(ramp.tobytes(), f"{TYPE}gray16", View((64, 64)), LIMITS, 64, 64)
    assert (found.image[:, :, 0] == ramp >> 8).all()
    assert found.original_size == (64, 64)


def test_a_view_may_say_how_many_bits_count() -> None:
    words = np.full((32, 32), 0x0800, "<u2")  # half of 12 bits, not shifted up
    view = View((32, 32), bits=12)
    assert set(np.unique(decode(words.tobytes(), f"{TYPE}gray16", view, LIMITS, 32, 32).image)) == {
        128
    }


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mosaic_on_the_wire_is_seen_in_colour(pattern: str, bits: int) -> None:
    picture = np.full((32, 48, 3), (200, 100, 50), np.uint16 if bits == 16 else np.uint8)
    data = mosaic_of(picture * (256 if bits == 16 else 1), pattern).astype(
        "<u2" if bits == 16 else np.uint8
    )
    kind = f"{TYPE}bayer-{pattern.lower()}{bits}"
    found = decode(data.tobytes(), kind, View((32, 32)), LIMITS, 48, 32)
    assert (found.image == (200, 100, 50)).all()
    assert found.original_size == (48, 32)


@pytest.mark.parametrize("kind", RAW_FORMATS)
def test_bytes_that_do_not_fit_are_refused(kind: str) -> None:
    with pytest.raises(Undecodable, match="needs"):
        decode(bytes(7), kind, View((32, 32)), LIMITS, 4, 4)


def test_a_mosaic_of_one_pixel_is_none() -> None:
    with pytest.raises(Undecodable, match="at least 2x2"):
        decode(b"x", f"{TYPE}bayer-rg8", View((32, 32)), LIMITS, 1, 1)
    with pytest.raises(ValueError, match="at least 2x2"):
        demosaic(np.zeros((1, 4), np.uint8), "RG")
    with pytest.raises(ValueError, match="pattern"):
        demosaic(np.zeros((4, 4), np.uint8), "XX")
