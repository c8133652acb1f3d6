from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError, TooFewImages
from workers.offline.images.datasets import good_files, images_in
from workers.offline.images.datasets import test_files as labelled_files
from workers.offline.noted import noting


def photo(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(30, 220, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def category(folder: Path, count: int = 40, suffix: str = ".png") -> Path:
    for index in range(count):
        photo(folder / "train/good" / f"{index:03}{suffix}", index)
    return folder


def test_good_images_are_split_80_10_10(tmp_path: Path) -> None:
    files = good_files(category(tmp_path))

    assert [len(part) for part in (files.train, files.select, files.calibrate)] == [32, 4, 4]
    assert len({*files.train, *files.select, *files.calibrate}) == 40


def test_the_split_follows_contents_not_names(tmp_path: Path) -> None:
    before = good_files(category(tmp_path / "a"))
    for index in range(40):
        photo(tmp_path / "b" / f"other-{(index * 7) % 40:03}.PNG", index)
    after = good_files(tmp_path / "b")

    assert after.digest == before.digest
    assert contents(after.calibrate) == contents(before.calibrate)


def contents(paths: tuple[Path, ...]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def test_copies_of_an_image_cannot_be_in_two_parts(tmp_path: Path) -> None:
    category(tmp_path)
    for index in range(40):
        photo(tmp_path / "train/good" / f"copy-{index}.png", index)

    files = good_files(tmp_path)

    assert len(files.train) + len(files.select) + len(files.calibrate) == 40


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png", ".bmp", ".tif"])
def test_suffixes_are_read_in_any_case(tmp_path: Path, suffix: str) -> None:
    assert len(good_files(category(tmp_path, 20, suffix)).train) == 16


def test_training_never_opens_the_test_folder(tmp_path: Path) -> None:
    category(tmp_path)
    (tmp_path / "test").write_text("a file: listing it would fail")

    assert len(good_files(tmp_path).train) == 32


def test_too_few_images_says_how_many_are_missing(tmp_path: Path) -> None:
    with pytest.raises(TooFewImages, match=r"7 different good images.*add 13 more"):
        good_files(category(tmp_path, 7))


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "train/good").mkdir(parents=True)

    with pytest.raises(DataError, match=r"train/good: no images"):
        good_files(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        good_files(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        ("train/good/017_mask.png", "masks among the good images: 017_mask.png"),
        ("train/good/scratch/0.png", "sub-folders: scratch"),
        ("train/bad/0.png", r"folders beside good/.*: bad"),
    ],
)
def test_a_mixed_up_folder_is_refused(tmp_path: Path, stray: str, message: str) -> None:
    path = category(tmp_path) / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")

    with pytest.raises(DataError, match=message):
        good_files(tmp_path)


def test_files_that_are_no_images_are_left_out_and_told(tmp_path: Path) -> None:
    category(tmp_path)
    stray = ("IMG_1.AAE", "IMG_1.MOV", "IMG_2.webp", "notes.txt")
    for name in (*stray, ".DS_Store"):
        (tmp_path / "train/good" / name).write_bytes(b"x")

    with noting() as notes:
        found = good_files(tmp_path)

    assert len(found.train) == 32
    (told,) = notes.lines()
    assert told.startswith(f"{tmp_path}/train/good: left out")
    assert told.endswith(", ".join(stray))


def test_a_folder_without_images_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "train/good").mkdir(parents=True)
    (tmp_path / "train/good/IMG_1.webp").write_bytes(b"x")

    with pytest.raises(DataError, match=r"no images; expected .png, .*; there lie IMG_1.webp"):
        good_files(tmp_path)


def test_files_of_file_managers_are_ignored(tmp_path: Path) -> None:
    category(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "._000.png"):
        (tmp_path / "train/good" / name).write_bytes(b"x")

    assert len(good_files(tmp_path).train) == 32


def test_a_folder_of_categories_names_them(tmp_path: Path) -> None:
    category(tmp_path / "bottle", 1)
    category(tmp_path / "grid", 1)

    with pytest.raises(DataError, match="give one of them: bottle, grid"):
        good_files(tmp_path)


def test_test_images_without_training_images_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "test/good/0.png", 0)

    with pytest.raises(DataError, match="no train/good to learn from"):
        good_files(tmp_path)


@pytest.mark.parametrize("name", ["000_mask.png", "000.png"])
def test_masks_are_found_under_both_names(tmp_path: Path, name: str) -> None:
    photo(tmp_path / "test/scratch/000.JPG", 0)
    photo(tmp_path / "test/good/000.JPG", 1)
    mask = photo(tmp_path / "ground_truth/scratch" / name, 2)

    good, bad = labelled_files(tmp_path)

    assert (good.kind, good.defective, good.mask) == ("good", False, None)
    assert (bad.kind, bad.defective, bad.mask) == ("scratch", True, mask)


def test_a_defect_without_a_mask_is_still_a_defect(tmp_path: Path) -> None:
    photo(tmp_path / "test/dent/000.png", 0)

    (file,) = labelled_files(tmp_path)

    assert file.defective
    assert file.mask is None


def test_no_test_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder test/"):
        labelled_files(tmp_path)


def test_an_empty_test_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "test/good").mkdir(parents=True)

    with pytest.raises(DataError, match="no images in its sub-folders"):
        labelled_files(tmp_path)


def test_images_come_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.jpeg"):
        photo(tmp_path / name, 0)

    assert [path.name for path in images_in(tmp_path)] == ["a.PNG", "b.png", "c.jpeg"]
