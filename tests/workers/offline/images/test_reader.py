from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.reader import read_images, read_mask, refuse_masks


def photo(path: Path, value: int) -> Path:
    Image.fromarray(np.full((20, 30, 3), value, np.uint8)).save(path)
    return path


def test_images_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{value}.png", value) for value in range(60, 0, -1)]

    values = [int(image[0, 0, 0]) for image in read_images(paths, View((8, 8)))]

    assert values == list(range(60, 0, -1))


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    whole = photo(tmp_path / "whole.png", 9)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:40])

    with pytest.raises(DataError, match=r"half\.png.*--on-corrupt skip"):
        read_images([whole, tmp_path / "half.png"], View((8, 8)))


def test_a_corrupt_image_can_be_left_out(tmp_path: Path) -> None:
    whole = photo(tmp_path / "whole.png", 9)
    (tmp_path / "empty.png").write_bytes(b"")
    skipped: list[str] = []

    images = read_images([tmp_path / "empty.png", whole], View((8, 8)), "skip", skipped.append)

    assert [int(image.max()) for image in images] == [9]
    assert "empty.png" in skipped[0]


def test_a_mask_covers_a_pixel_by_half(tmp_path: Path) -> None:
    full = np.zeros((4, 4), np.uint8)
    full[:2, :1] = 255  # half of the top left pixel at 2x2
    full[2, 3] = 255  # a quarter of the bottom right one
    Image.fromarray(full).save(tmp_path / "mask.png")

    assert read_mask(tmp_path / "mask.png", View((2, 2))).tolist() == [
        [True, False],
        [False, False],
    ]


def test_every_colour_of_a_palette_is_a_defect(tmp_path: Path) -> None:
    mask = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    mask.putpalette([0, 0, 0, 0, 0, 90, 1, 0, 0])
    mask.save(tmp_path / "mask.png")

    assert read_mask(tmp_path / "mask.png", View((2, 2))).tolist() == [[False, True], [True, False]]


def test_an_unreadable_mask_is_named(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"nothing")

    with pytest.raises(DataError, match=r"mask\.png: is no readable mask"):
        read_mask(tmp_path / "mask.png", View((2, 2)))


def test_masks_among_good_images_are_recognised() -> None:
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[:4] = 255

    with pytest.raises(DataError, match="1 of the good images look like masks"):
        refuse_masks([mask, np.full((8, 8, 3), 120, np.uint8)], "folder")


def test_photographs_on_black_are_no_masks() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:6, 2:6] = 120

    refuse_masks([image], "folder")
