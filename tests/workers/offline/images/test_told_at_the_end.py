"""What was decided about pictures without asking is counted and told, once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.datasets import good_files
from workers.offline.images.reader import check_good, read_image, read_images
from workers.offline.images.views import usual_frame
from workers.offline.noted import noting, telling
from workers.runtime.decoders.current import decoding_by
from workers.runtime.decoders.settings import ImagesSection

VIEW = View((8, 8), upright=True, bits=0)


def turned(path: Path, orientation: int = 6) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    Image.effect_noise((40, 20), 30).save(path, exif=exif)
    return path


def test_orientations_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [turned(tmp_path / f"{n}.jpg") for n in range(3)]
    Image.effect_noise((40, 20), 30).save(tmp_path / "plain.png")
    with telling():
        read_images([*paths, tmp_path / "plain.png"], VIEW)
        read_image(paths[0], VIEW)
    said = capsys.readouterr().err
    assert "3 pictures (e.g. 0.jpg) have an orientation and were turned upright" in said
    with noting() as notes:
        read_images(paths, View((8, 8), upright=False))
    assert "masks that were drawn in a viewer do not fit" in "".join(notes.lines())


def test_the_usual_frame_is_the_upright_one(tmp_path: Path) -> None:
    paths = [turned(tmp_path / "0.jpg"), turned(tmp_path / "1.tif")]
    assert usual_frame(paths[:1]) == usual_frame(paths[1:]) == (20, 40)
    assert usual_frame(paths[:1], upright=False) == (40, 20)
    assert usual_frame(paths[1:], upright=False) == (40, 20)


def test_high_bits_that_are_never_used_are_told(tmp_path: Path) -> None:
    for number, most in enumerate((3000, 4095)):
        samples = np.linspace(0, most, 400).astype(np.uint16).reshape(20, 20)
        Image.fromarray(samples).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.glob("*.png"))
    with noting() as notes:
        read_images(paths, VIEW)
    (line,) = notes.lines()
    assert "2 pictures (e.g. 0.png) have samples of 16 bits" in line
    assert "12 bits would do, and 16 grey levels are left" in line
    assert "view: {bits: 12}" in line
    with noting() as notes:
        read_images(paths, View((8, 8), upright=True, bits=12))
    assert not list(notes.lines())


def test_alpha_and_inks_are_told(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(tmp_path / "a.png")
    Image.new("CMYK", (8, 8)).save(tmp_path / "c.jpg")
    with noting() as notes:
        read_images([tmp_path / "a.png", tmp_path / "c.jpg"], VIEW)
    alpha, inks = notes.lines()
    assert alpha.startswith("1 picture (e.g. a.png) has transparent pixels")
    assert inks.startswith("1 picture (e.g. c.jpg) is in CMYK and was turned")


def test_arrays_of_numpy_are_pictures_too(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.full((6, 9), 77, np.uint8))
    (tmp_path / "1.npy").write_bytes(b"")
    assert read_image(tmp_path / "0.npy", VIEW).image.max() == 77
    assert usual_frame([tmp_path / "0.npy"]) == (9, 6)
    with pytest.raises(DataError, match=r"1\.npy: cannot be read: is no array of numpy"):
        read_image(tmp_path / "1.npy", VIEW)


@pytest.mark.slow
def test_large_pictures_are_measured_by_our_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (20_000, 10_000)).save(path)  # more than Pillow takes by itself
    rules = ImagesSection(max_pixels=300_000_000, decode_mb=2000, decode_timeout_s=60).rules(10**7)
    with decoding_by(rules):
        assert usual_frame([path]) == (20_000, 10_000)


def test_silhouettes_are_a_hint(tmp_path: Path) -> None:
    silhouettes = [np.zeros((8, 8, 3), np.uint8) for _ in range(3)]
    for number, image in enumerate(silhouettes):
        image[: number + 3] = 255
    with noting() as notes:
        check_good(silhouettes, "photos")
    assert "3 of 3 good images in photos are black and white only: right for parts before a" in (
        "".join(notes.lines())
    )


def test_images_that_are_all_alike_are_refused() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="all 56 good images show the same pixels"):
        check_good([image] * 56, "photos")
    for colours in ((10, 90, 200), ((10, 90, 90), (200, 0, 0), (0, 0, 9))):
        with pytest.raises(DataError, match="all 3 good images are of one colour each"):
            check_good([np.full((8, 8, 3), colour, np.uint8) for colour in colours], "photos")
    with noting() as notes:
        check_good([image, image[::-1], np.full((8, 8, 3), 9, np.uint8)], "photos")
    assert list(notes.lines()) == ["1 of 3 good images in photos are of one colour"]


def test_copies_are_counted_as_one(tmp_path: Path) -> None:
    for number in range(30):
        Image.new("L", (8, 8), 7).save(tmp_path / f"{number}.png")
    with pytest.raises(
        DataError,
        match="1 different good image in 30 files, all copies of one picture; at least 20",
    ):
        good_files(tmp_path)


def test_a_link_to_nothing_among_good_images_is_named_or_left_out(tmp_path: Path) -> None:
    for number in range(24):
        Image.effect_noise((8, 8), 60).save(tmp_path / f"{number}.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png: cannot be read: a link to nothing"):
        good_files(tmp_path)
    left: list[DataError] = []
    assert len(good_files(tmp_path, on_unreadable=left.append).digests) == 24
    assert len(left) == 1
