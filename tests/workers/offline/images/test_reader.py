import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from structlog.testing import capture_logs

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.masks import read_mask
from workers.offline.images.reader import check_good, read_image, read_images
from workers.offline.images.views import usual_frame
from workers.runtime.decoders.current import decoding_by
from workers.runtime.decoders.settings import ImagesSection


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


def lost_data(path: Path) -> Path:
    """A JPEG of which only the head is left; it ends as it should."""
    Image.effect_noise((64, 64), 40).save(path)
    data = path.read_bytes()
    at = data.rindex(b"\xff\xda") + 2
    path.write_bytes(data[: at + int.from_bytes(data[at : at + 2])] + b"\xff\xd9")
    return path


def test_a_damaged_image_is_named_or_taken_where_that_is_wanted(tmp_path: Path) -> None:
    damaged = lost_data(tmp_path / "1.jpg")
    with pytest.raises(DataError, match=r"1\.jpg: image of \d+ bytes lost data"):
        read_image(damaged, View((8, 8)))
    with decoding_by(ImagesSection(accept_damaged=True).rules(10**6)), capture_logs() as logs:
        assert read_image(damaged, View((8, 8))).damage
    assert logs[0]["file"] == str(damaged)


@pytest.mark.timeout(60)
def test_what_is_no_regular_file_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    whole = photo(tmp_path / "0.png", 9)
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "2.png").symlink_to("/dev/zero")
    (tmp_path / "3.png").symlink_to("3.png")
    paths, skipped = [whole, *(tmp_path / f"{n}.png" for n in (1, 2, 3))], list[str]()

    images = read_images(paths, View((8, 8)), "skip", skipped.append)

    assert len(images) == 1
    assert [text.partition(": ")[0] for text in skipped] == [str(path) for path in paths[1:]]
    assert "a named pipe" in skipped[0]
    assert "a device" in skipped[1]
    with pytest.raises(DataError, match="is no readable mask"):
        read_mask(tmp_path / "1.png", View((8, 8)))
    assert usual_frame(paths) == (30, 20)


@pytest.mark.slow
def test_an_image_may_be_as_long_as_a_camera_may_send_it(tmp_path: Path) -> None:
    path = tmp_path / "large.bmp"
    Image.new("RGB", (2000, 1600)).save(path)
    with pytest.raises(DataError, match=r"large\.bmp.*9600054 bytes.*kafka\.max_frame_bytes"):
        read_image(path, View((8, 8)))
    with decoding_by(ImagesSection().rules(16 * 2**20)):
        assert read_image(path, View((8, 8))).original_size == (2000, 1600)
        assert len(read_images([path], View((8, 8)))) == 1  # on another thread


@pytest.mark.slow
def test_a_slow_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slow.jpg"
    Image.new("L", (2500, 2500)).save(path, progressive=True)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 3000 + data[-2:])
    with pytest.raises(DataError, match=r"slow\.jpg: JPEG has more than 64 scans"):
        read_image(path, View((8, 8)))
    patient = ImagesSection(max_scans=10**6, decode_timeout_s=0.3).rules(10**7)
    with decoding_by(patient), pytest.raises(DataError, match=r"slow\.jpg: decoding took more"):
        read_image(path, View((8, 8)))


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


def test_photographs_on_black_are_no_masks() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:6, 2:6] = 120

    check_good([image], "folder")
