"""From a frame's bytes to the canvas of its view."""

import io

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.formats.raw import RAW_RGB8
from stream_inspector.image.view.canvas import GREY, View
from stream_inspector.verdict import Image

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
LEFT = View((40, 30), region=(0.0, 0.0, 0.5, 1.0))


def encoded(array: Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Pil.fromarray(array).save(stream, kind, quality=95)
    return stream.getvalue()


def canvas(view: View, data: bytes | None = None, kind: str = "image/png") -> Image:
    return decode(encoded(FRAME) if data is None else data, kind, view, DecodeLimits()).image


def test_a_region_at_its_own_size_is_the_pixels_themselves() -> None:
    assert (canvas(LEFT) == FRAME[:, :30]).all()
    inner = View((20, 30), region=(0.25, 0.25, 0.75, 0.75))
    assert (canvas(inner) == FRAME[10:30, 15:45]).all()


def test_raw_pixels_are_cropped_too() -> None:
    raw = decode(FRAME.tobytes(), RAW_RGB8, LEFT, DecodeLimits(), width=60, height=40)
    assert (raw.image == FRAME[:, :30]).all()
    assert raw.original_size == (60, 40)


def test_padding_is_grey_and_the_frame_lies_in_its_middle() -> None:
    found = canvas(View((80, 60), content=(40, 60)))
    assert (found[20:60] == FRAME).all()
    assert (found[:20] == GREY).all()
    assert (found[60:] == GREY).all()


def test_a_canvas_of_tiles_is_decoded_whole() -> None:
    view = View((32, 32), rows=2, columns=3, overlap=(16, 16))
    assert canvas(view).shape == (48, 64, 3)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.125])
def test_jpeg_is_never_decoded_smaller_than_the_region_needs(share: float) -> None:
    """A fine pattern inside a small region survives, though the whole frame would be reduced."""
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::8] = 255
    stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255
    side = int(1024 * share)
    view = View((side, side), region=(0.0, 0.0, share, share))
    found = canvas(view, encoded(stripes, "JPEG"), "image/jpeg").astype(int)
    assert np.abs(found - stripes[:side, :side]).mean() < 10
