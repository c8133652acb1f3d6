"""Pictures of pages: small as the networks saw them, whole a click away."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from workers.offline.report.page import Album, inline


def shown(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def turned(path: Path) -> Path:
    """A phone's picture: 60 x 40 pixels as stored, 40 x 60 as it is looked at."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "red").save(path, exif=exif)
    return path


def test_a_turned_original_is_linked_and_the_canvas_is_shown(tmp_path: Path) -> None:
    original = turned(tmp_path / "phone.jpg")
    canvas = np.zeros((60, 40, 3), np.uint8)

    made = Album(tmp_path / "page.html").add("Input", canvas, original)

    assert (tmp_path / made.href).read_bytes() == original.read_bytes()
    assert shown(made.uri).size == (40, 60)
    assert np.asarray(shown(made.uri)).max() < 10


def test_an_encoded_picture_is_shown_upright(tmp_path: Path) -> None:
    data = turned(tmp_path / "phone.jpg").read_bytes()
    made = Album(tmp_path / "page.html").add_encoded("frame", data)
    assert shown(made.uri).size == (40, 60)
    assert made.href.endswith(".jpg")


def test_sixteen_bits_are_not_all_white() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), 0x4000, np.uint16)).save(out, "PNG")
    grey = np.asarray(shown(inline(out.getvalue())))
    assert abs(int(grey.mean()) - 0x40) < 3
