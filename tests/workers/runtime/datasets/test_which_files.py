"""Which files are images: one answer, whoever asks, whatever else lies in the folders."""

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from stream_inspector.errors import DataError
from tests.workers.runtime.datasets.test_layouts import visa
from workers.offline.images.datasets import categories_in
from workers.offline.images.datasets import test_files as labelled_files
from workers.offline.inspect.files import find_images
from workers.runtime.datasets.files import images_below, images_in
from workers.runtime.datasets.layout import missing_masks
from workers.runtime.datasets.masks import MaskFolder
from workers.runtime.datasets.played import Played, played
from workers.runtime.datasets.words import is_bad, is_good


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"pixels")
    return path


def below(folder: Path, paths: tuple[Path, ...] | list[Path]) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def shown(source: Path | str) -> Played:
    found = played(str(source))
    assert found is not None
    return found


def dataset(folder: Path) -> Path:
    for name in ("train/good/0.png", "test/good/0.png", "test/dent/1.JPG"):
        touch(folder / name)
    touch(folder / "ground_truth/dent/1_mask.png")
    return folder


@pytest.mark.parametrize(
    "hidden",
    [
        *(".ipynb_checkpoints/1-checkpoint.JPG", "._1.JPG", "__MACOSX/1.JPG", "@eaDir/1.JPG"),
        *("Thumbs.db", "desktop.ini", "~$1.JPG", "1.JPG~", ".cache/1.JPG"),
    ],
)
def test_what_programs_leave_behind_is_no_image(tmp_path: Path, hidden: str) -> None:
    touch(dataset(tmp_path) / "test/dent" / hidden)

    assert below(tmp_path, shown(tmp_path).files) == ["test/dent/1.JPG", "test/good/0.png"]
    assert below(tmp_path, [file.path for file in labelled_files(tmp_path)]) == below(
        tmp_path, shown(tmp_path).files
    )
    assert below(tmp_path, find_images([tmp_path / "test"])) == [
        "test/dent/1.JPG",
        "test/good/0.png",
    ]


def test_masks_are_played_by_nobody(tmp_path: Path) -> None:
    touch(dataset(tmp_path / "bolts") / "notes.txt")
    dataset(tmp_path / "nuts")
    files = ["bolts/test/dent/1.JPG", "bolts/test/good/0.png"]
    files += ["nuts/test/dent/1.JPG", "nuts/test/good/0.png"]
    assert below(tmp_path, shown(tmp_path).files) == files
    assert shown(tmp_path).truths[tmp_path / "bolts/test/dent/1.JPG"] == "dent"
    assert below(tmp_path, shown(f"{tmp_path}/*/*/*/*").files) == [
        *("bolts/test/dent/1.JPG", "bolts/test/good/0.png", "bolts/train/good/0.png"),
        *("nuts/test/dent/1.JPG", "nuts/test/good/0.png", "nuts/train/good/0.png"),
    ]
    only = shown(tmp_path / "bolts/ground_truth")  # asked for by its name
    assert below(tmp_path, only.files) == ["bolts/ground_truth/dent/1_mask.png"]


def test_a_mask_beside_its_image_is_no_image(tmp_path: Path) -> None:
    for name in ("0.png", "0_mask.png", "gas_mask.png"):
        touch(tmp_path / name)
    for folder in ("masks", "line-1/Ground_Truth/dent"):
        touch(tmp_path / folder / "0.png")
    listing = images_below(tmp_path)
    assert below(tmp_path, listing.files) == ["0.png", "gas_mask.png"]
    assert below(tmp_path, listing.skipped) == ["0_mask.png"]


def test_visa_is_played_from_what_it_keeps_for_the_test(tmp_path: Path) -> None:
    folder = visa(tmp_path)
    found = shown(folder)
    assert [path.name for path in found.files] == ["000.JPG", "0900.JPG"]
    assert sorted(found.truths.values()) == ["bad", "good"]
    assert below(tmp_path, [file.path for file in labelled_files(folder)]) == below(
        tmp_path, found.files
    )
    (tmp_path / "split_csv/1cls.csv").unlink()
    assert {path.parent.name for path in shown(folder).files} == {"Normal", "Anomaly"}


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    dataset(tmp_path / "disk/raw-17")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/bolts").symlink_to(tmp_path / "disk/raw-17")
    (tmp_path / "disk/raw-17/test/dent/more").mkdir()
    (tmp_path / "disk/raw-17/test/dent/more/loop").symlink_to(tmp_path / "disk/raw-17/test")

    assert [each.name for each in categories_in(tmp_path / "photos")] == ["bolts"]
    assert [each.name for each in categories_in(tmp_path / "photos/bolts")] == ["bolts"]
    assert len(shown(tmp_path / "photos").files) == 2
    touch(tmp_path / "elsewhere/2.png")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/linked").symlink_to(tmp_path / "elsewhere")
    assert below(tmp_path, shown(tmp_path / "plain").files) == ["plain/linked/2.png"]


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    touch(tmp_path / "0.png")
    (tmp_path / "1.png").symlink_to("gone.png")
    assert below(tmp_path, images_below(tmp_path).skipped) == ["1.png"]
    assert below(tmp_path, images_in(tmp_path)) == ["0.png", "1.png"]  # its reader says why


def test_names_that_are_no_text_are_names(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/teil-\xe4.png"))
    touch(odd)
    assert shown(tmp_path).files == (odd,)


@pytest.mark.parametrize(
    "word", ["good", "Good", "OK", "ok", "Okay", "normal", "Passed", "i.O.", "defect free"]
)
def test_words_for_good(word: str) -> None:
    assert is_good(word)
    assert not is_bad(word)


@pytest.mark.parametrize("word", ["NG", "NOK", "not ok", "not_good", "KO", "Anomaly", "defective"])
def test_words_for_defective(word: str) -> None:
    assert is_bad(word)
    assert not is_good(word)


@pytest.mark.parametrize(
    ("good", "bad"), [("Good", "dent"), ("OK", "NG"), ("ok", "NOK"), ("Normal", "not ok")]
)
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Train", "Test")])
def test_good_images_are_good_whatever_they_are_called(
    tmp_path: Path, good: str, bad: str, train: str, test: str
) -> None:
    names = [f"{train}/{good}/0.png", f"{test}/{good}/1.png", f"{test}/{bad}/2.png"]
    for name in names:
        touch(tmp_path / name)
    found = {file.path.name: file.defective for file in labelled_files(tmp_path)}
    assert found == {"1.png": False, "2.png": True}
    assert shown(tmp_path).truths == {
        tmp_path / names[1]: "good",
        tmp_path / names[2]: bad,
    }
    assert [path.name for path in categories_in(tmp_path)[0].layout.good(tmp_path)] == ["0.png"]


def test_good_and_defective_side_by_side_say_which_to_give(tmp_path: Path) -> None:
    for name in ("photos/OK/0.png", "photos/NOK/1.png"):
        touch(tmp_path / name)
    with pytest.raises(DataError, match=r"holds NOK, OK; give .*photos/OK, the good images"):
        categories_in(tmp_path / "photos")[0].layout.good(tmp_path / "photos")


@pytest.mark.parametrize(
    "mask",
    [
        *("1_mask.png", "1.png", "1_MASK.PNG", "1-mask.bmp", "1_mask.jpg", "1.JPEG", "1_gt.tif"),
        *("1/000.png", "1"),
    ],
)
def test_masks_are_found_in_the_forms_that_datasets_have(tmp_path: Path, mask: str) -> None:
    touch(tmp_path / "test/Dent/1.jpg")
    touch(tmp_path / "Ground_Truth/dent" / mask)
    found = MaskFolder(tmp_path, "Dent").of(tmp_path / "test/Dent/1.jpg")
    assert found == tmp_path / "Ground_Truth/dent" / mask.partition("/")[0]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_that_were_taken_apart_name_the_same_mask(
    tmp_path: Path, forms: tuple[Literal["NFC", "NFD"], Literal["NFC", "NFD"]]
) -> None:
    ours, theirs = (unicodedata.normalize(form, "größe-é") for form in forms)
    image = touch(tmp_path / "test" / ours / f"{ours}.png")
    touch(tmp_path / "ground_truth" / theirs / f"{theirs}_mask.png")
    assert MaskFolder(tmp_path, ours).of(image) is not None


def test_a_missing_mask_says_what_lies_there_instead(tmp_path: Path) -> None:
    dataset(tmp_path)
    (tmp_path / "ground_truth/dent/1_mask.png").rename(tmp_path / "ground_truth/dent/1.gif")
    said = missing_masks(labelled_files(tmp_path))
    assert "1 of 1 defective images have no mask" in said
    assert "looked for dent/1_mask or 1 (.png" in said
    assert said.endswith("there lies 1.gif")
    (tmp_path / "ground_truth/dent").rename(tmp_path / "ground_truth/dents")
    assert "there is no folder" in missing_masks(labelled_files(tmp_path))
    assert "(in ground_truth: dents)" in missing_masks(labelled_files(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_split_file_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    folder, file = visa(tmp_path), tmp_path / "split_csv/1cls.csv"
    file.write_text(file.read_text().replace("\n", "\r\n"), encoding=encoding, newline="")
    assert len(labelled_files(folder)) == 2


def test_a_split_file_of_another_kind_says_what_it_begins_with(tmp_path: Path) -> None:
    folder, file = visa(tmp_path), tmp_path / "split_csv/1cls.csv"
    file.write_text(file.read_text().replace(",", ";"))
    with pytest.raises(DataError, match="separated by commas; it begins with object;split"):
        labelled_files(folder)
