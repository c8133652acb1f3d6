"""Pictures of phones: read as JPEG with the extra, named without it."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError, TooLarge, Undecodable
from stream_inspector.image.formats import heic
from stream_inspector.image.formats.limits import DecodeLimits
from stream_inspector.image.view.canvas import View
from workers.camera.sources import Shot, list_files, read_shot
from workers.offline.images.datasets import images_in
from workers.offline.images.reader import read_image
from workers.offline.images.views import usual_frame
from workers.offline.inspect.files import find_images
from workers.runtime.datasets import files

MIB = 2**20
# 64 x 48 pixels, red above left and blue below right, lying on its side: orientation 6
PHOTO = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA
AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAKEAAgAAAAACjQABAAAAAAAAACQAAAA4aWluZgAAAAAA
AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADm
aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAq
QgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQAN
AAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp
eGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEA
AQAAAM1tZGF0AAAAnSgBrwngITip//M8b/78nZe0xyeVp79Y//7gQ+yGf/cibdH6Nq7P/6fqZ+K6v9k0HlWA/X2OaDSh
21fdUMOJTqR4Sk/My3DtK1JjBs01i5TrALI+Kej/10+A4ijgH0nflGLy21H6AUDL2UjpCYuEFmLF0H+MhILiBzaHSBTA
Gu368jUy8NHDa2uSXPh7LtbDdzZ81S8WxRPe+P4/g6IAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA=
""")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "IMG_0001.HEIC").write_bytes(PHOTO)
    (tmp_path / "renamed.jpg").write_bytes(PHOTO)
    return tmp_path


def test_a_photo_is_upright_and_as_it_was() -> None:
    with Image.open(io.BytesIO(heic.as_jpeg(PHOTO, DecodeLimits()))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (48, 64))
        pixels = np.asarray(picture, int)
    assert np.abs(pixels[4, 44] - (200, 30, 30)).max() < 25
    assert np.abs(pixels[60, 4] - (30, 30, 200)).max() < 25
    assert pixels[4, 4].max() < 25


@pytest.mark.parametrize("size", [0, 12, 200, 400, len(PHOTO) - 60])
def test_what_is_left_of_one_is_refused(size: int) -> None:
    with pytest.raises(Undecodable, match=f"HEIC of {size} bytes is damaged or truncated"):
        heic.as_jpeg(PHOTO[:size], DecodeLimits())


def test_it_obeys_the_limits_of_pictures() -> None:
    with pytest.raises(TooLarge, match=r"images\.max_pixels"):
        heic.as_jpeg(PHOTO, DecodeLimits(max_pixels=1000))


def test_camera_and_commands_read_the_same_bytes(folder: Path) -> None:
    assert [path.name for path in list_files(str(folder)).files] == [
        *("IMG_0001.HEIC", "renamed.jpg")
    ]
    assert images_in(folder) == find_images([folder])
    assert usual_frame(images_in(folder)) == (48, 64)
    shots = [read_shot(path, MIB) for path in images_in(folder)]
    assert all(isinstance(shot, Shot) and shot.content_type == "image/jpeg" for shot in shots)
    assert shots[0].data == shots[1].data == heic.as_jpeg(PHOTO, DecodeLimits())  # type: ignore
    seen = read_image(folder / "IMG_0001.HEIC", View((64, 48)))
    assert seen.original_size == (48, 64)
    assert seen.traits.orientation == 1


def test_a_jpeg_that_is_larger_than_its_photo_meets_the_limit(folder: Path) -> None:
    refused = read_shot(folder / "IMG_0001.HEIC", len(PHOTO))
    assert "bytes as JPEG; the limit is" in str(refused)


def test_without_the_extra_it_is_left_out_and_the_extra_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heic, "THERE", False)
    monkeypatch.setattr(files, "SUFFIXES", (".png", ".jpg"))
    (folder / "renamed.jpg").unlink()
    with pytest.raises(DataError, match=r"no images.*IMG_0001\.HEIC .*extra `heic`: pip install"):
        files.good_images_in(folder)
    with pytest.raises(DataError, match="extra `heic`"):
        find_images([folder / "IMG_0001.HEIC"])
    with pytest.raises(Undecodable, match="extra `heic`"):
        heic.as_jpeg(PHOTO, DecodeLimits())
