"""BTAD, VisA's own layout, roots of several categories, and folders at the wrong level."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from workers.offline.images.datasets import (
    LAYOUTS,
    LabelledFile,
    categories_in,
    good_files,
    licence_notes,
    missing_masks,
)
from workers.offline.images.datasets import test_files as labelled_files

COLUMNS = "object,split,label,image,mask"


def photo(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(30, 220, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mvtec(folder: Path) -> Path:
    photo(folder / "train/good/0.png", 0)
    photo(folder / "test/good/0.png", 1)
    photo(folder / "test/bent/0.png", 2)
    photo(folder / "ground_truth/bent/0_mask.png", 3)
    return folder


def btad(folder: Path, suffix: str = ".bmp") -> Path:
    for index in range(20):
        photo(folder / f"train/ok/{index:04}{suffix}", index)
    photo(folder / f"test/ok/0000{suffix}", 90)
    photo(folder / f"test/ko/0001{suffix}", 91)
    photo(folder / "ground_truth/ko/0001.png", 92)
    return folder


def visa(root: Path, train: int = 20) -> Path:
    rows = [f"candle,train,normal,candle/Data/Images/Normal/{n:04}.JPG," for n in range(train)]
    rows.append("candle,test,normal,candle/Data/Images/Normal/0900.JPG,")
    rows.append(
        "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png"
    )
    rows.append("cashew,train,normal,cashew/Data/Images/Normal/0001.JPG,")
    for number in [*range(train), 900]:
        photo(root / f"candle/Data/Images/Normal/{number:04}.JPG", number)
    photo(root / "candle/Data/Images/Anomaly/000.JPG", 1)
    photo(root / "candle/Data/Masks/Anomaly/000.png", 2)
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    return root / "candle"


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
def test_btad_is_recognised_by_its_folder_of_ok_images(tmp_path: Path, suffix: str) -> None:
    folder = btad(tmp_path / "01", suffix)

    bad, good = labelled_files(folder)

    assert len(good_files(folder).train) == 16
    assert (good.kind, good.defective, good.mask) == ("ok", False, None)
    assert (bad.kind, bad.defective) == ("ko", True)
    assert bad.mask == folder / "ground_truth/ko/0001.png"


def test_visa_is_read_through_its_split_file(tmp_path: Path) -> None:
    folder = visa(tmp_path)

    bad, good = labelled_files(folder)

    trained = good_files(folder)
    assert len({*trained.train, *trained.select, *trained.calibrate}) == 20
    assert (good.kind, good.defective, good.path.name) == ("good", False, "0900.JPG")
    assert (bad.kind, bad.defective, bad.path.name) == ("bad", True, "000.JPG")
    assert bad.mask is not None
    assert bad.mask.read_bytes() == (folder / "Data/Masks/Anomaly/000.png").read_bytes()


def test_images_that_visa_keeps_for_the_test_are_not_among_the_good_ones(tmp_path: Path) -> None:
    folder = visa(tmp_path)
    (folder / "Data/Images/Normal/0900.JPG").write_bytes(b"unreadable")

    assert len(good_files(folder).train) == 16


def test_visa_without_its_split_file_says_why_it_is_needed(tmp_path: Path) -> None:
    folder = visa(tmp_path)
    (tmp_path / "split_csv/1cls.csv").unlink()

    with pytest.raises(DataError, match=r"1cls\.csv: not found.*which good images train"):
        good_files(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (COLUMNS, "a,b,c,d,e", "needs the columns"),
        ("candle,", "candles,", "lists no train images of 'candle'.*renamed"),
        ("Normal/0003.JPG", "Normal/4444.JPG", r"not there: candle/.*4444\.JPG"),
        ("train,normal,candle", "train,anomaly,candle", "unexpected label in the train part"),
    ],
)
def test_a_split_file_that_does_not_fit_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    folder, file = visa(tmp_path), tmp_path / "split_csv/1cls.csv"
    file.write_text(file.read_text().replace(old, new))

    with pytest.raises(DataError, match=message):
        good_files(folder)


def test_a_root_lists_its_categories_whatever_their_layouts(tmp_path: Path) -> None:
    visa(tmp_path)
    mvtec(tmp_path / "bottle")
    btad(tmp_path / "01")
    (tmp_path / "notes").mkdir()

    found = categories_in(tmp_path)

    assert [(each.name, each.layout.name) for each in found] == [
        *(("01", "btad"), ("bottle", "mvtec"), ("candle", "visa"))
    ]


def test_a_category_is_a_root_of_one(tmp_path: Path) -> None:
    (only,) = categories_in(mvtec(tmp_path / "bottle"))

    assert (only.name, only.folder) == ("bottle", tmp_path / "bottle")


def test_a_layout_can_be_forced(tmp_path: Path) -> None:
    for index in range(20):
        photo(tmp_path / f"{index}.png", index)
    (tmp_path / "test").mkdir()

    with pytest.raises(DataError, match="no train/good"):
        good_files(tmp_path)
    with pytest.raises(DataError, match="sub-folders: test"):
        good_files(tmp_path, layout="plain")
    with pytest.raises(DataError, match="allowed: mvtec, btad, visa, plain"):
        good_files(tmp_path, layout="imagenet")


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("bottle/train", "is a part of a category; give .*bottle$"),
        ("bottle/ground_truth", "is a part of a category"),
        (".", "holds categories; give one of them: bottle"),
        ("..", "holds datasets; give one of them, or a category: mvtec_ad"),
    ],
)
def test_the_wrong_level_says_which_to_give(tmp_path: Path, level: str, message: str) -> None:
    mvtec(tmp_path / "mvtec_ad" / "bottle")

    with pytest.raises(DataError, match=message):
        good_files(tmp_path / "mvtec_ad" / level)


def test_good_images_of_a_category_may_be_given_directly(tmp_path: Path) -> None:
    folder = btad(tmp_path / "01") / "train/ok"

    assert good_files(folder).digest == good_files(tmp_path / "01").digest


def test_images_without_masks_are_told(tmp_path: Path) -> None:
    dent, bent = Path("0.png"), Path("1.png")
    files = [
        LabelledFile(dent, "good", defective=False, mask=None),
        LabelledFile(dent, "dent", defective=True, mask=None),
        LabelledFile(bent, "bent", defective=True, mask=bent),
    ]

    assert missing_masks(files).startswith("1 of 2 defective images have no mask")
    assert "dent/0.png" in missing_masks(files)
    assert missing_masks(files[2:]) == ""


def test_licences_of_known_datasets_are_told_once(tmp_path: Path) -> None:
    visa(tmp_path)
    for name in ("bottle", "cable", "our-bolts"):
        mvtec(tmp_path / name)
    btad(tmp_path / "01")

    notes = licence_notes(categories_in(tmp_path))

    assert [note.partition(":")[0] for note in notes] == ["MVTec AD", "BTAD", "VisA"]
    assert licence_notes(categories_in(tmp_path / "our-bolts")) == []


def test_every_layout_has_a_name_of_its_own() -> None:
    assert list(LAYOUTS) == ["mvtec", "btad", "visa", "plain", "reviewed"]
