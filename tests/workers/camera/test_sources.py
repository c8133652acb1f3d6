"""What a camera plays: which files, which bytes, which truth, and what it refuses."""

import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.frame import RAW_GRAY8, RAW_RGB8
from stream_inspector.synthetic import DEFECT_KINDS, render
from workers.camera.settings import SyntheticSettings
from workers.camera.sources import (
    Refusal,
    Shot,
    draw_defect,
    file_shots,
    list_files,
    read_shot,
    synthetic_shot,
)
from workers.runtime.datasets.played import truth_of
from workers.runtime.errors import SettingsError

LIMIT = 10_000


def touch(path: Path, data: bytes = b"pixels") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(source: str) -> list[str]:
    return [path.name for path in list_files(source).files]


def test_a_folder_is_searched_with_its_subfolders_in_order(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a/1.png", "3.tiff"):
        touch(tmp_path / name)
    assert names(str(tmp_path)) == ["3.tiff", "1.png", "2.JPG"]


def test_other_files_are_skipped_and_told_apart_from_hidden_ones(tmp_path: Path) -> None:
    for name in ("1.png", "notes.txt", ".hidden.png", ".DS_Store"):
        touch(tmp_path / name)
    listing = list_files(str(tmp_path))
    assert [path.name for path in listing.files] == ["1.png"]
    assert [path.name for path in listing.skipped] == ["notes.txt"]


def test_a_glob_pattern_selects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "a/2.jpg", "b/3.png"):
        touch(tmp_path / name)
    assert names(f"{tmp_path}/**/*.png") == ["1.png", "3.png"]
    monkeypatch.chdir(tmp_path)
    assert names("a/*") == ["1.png", "2.jpg"]


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    assert names(str(touch(tmp_path / "1.bmp"))) == ["1.bmp"]


@pytest.mark.parametrize("good", ["good", "ok"])
def test_a_data_set_is_played_from_its_test_images_without_its_masks(
    tmp_path: Path, good: str
) -> None:
    for name in (f"train/{good}/t.png", "test/dent/d.png", "ground_truth/dent/m.png"):
        touch(tmp_path / name)
    assert names(str(tmp_path)) == ["d.png"]


def test_an_empty_folder_is_refused_with_what_was_there(tmp_path: Path) -> None:
    touch(tmp_path / "notes.txt")
    with pytest.raises(SettingsError, match=r"no image files; there lie notes\.txt;"):
        list_files(str(tmp_path))


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(SettingsError, match=r"camera\.source: nowhere: no such folder"):
        list_files("nowhere")


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no image files"):
        list_files(f"{tmp_path}/*.png")


@pytest.mark.parametrize(
    ("suffix", "content_type"),
    [("png", "image/png"), ("JPEG", "image/jpeg"), ("bmp", "image/bmp"), ("tif", "image/tiff")],
)
def test_a_file_is_sent_as_its_own_bytes(tmp_path: Path, suffix: str, content_type: str) -> None:
    path = touch(tmp_path / f"1.{suffix}", b"\x00not decoded here")
    assert read_shot(path, LIMIT) == Shot(b"\x00not decoded here", content_type, str(path))


def test_a_file_over_the_limit_is_refused_with_its_name_and_the_setting(tmp_path: Path) -> None:
    path = touch(tmp_path / "1.png", bytes(LIMIT + 1))
    assert read_shot(path, LIMIT) == Refusal(
        str(path),
        "cannot be read: has 10001 bytes; the limit is 10000 (setting kafka.max_frame_bytes)",
    )
    assert isinstance(read_shot(touch(path, bytes(LIMIT)), LIMIT), Shot)


def test_what_is_no_regular_file_is_skipped_by_name_or_refused(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    (tmp_path / "3.png").symlink_to("/dev/zero")
    (tmp_path / "4.png").symlink_to("5.png")
    (tmp_path / "5.png").symlink_to("4.png")
    listing = list_files(str(tmp_path))
    assert [path.name for path in listing.files] == ["1.png"]
    assert [path.name for path in listing.skipped] == [f"{n}.png" for n in (2, 3, 4, 5)]
    refusals = [read_shot(path, LIMIT) for path in listing.skipped]
    assert all(isinstance(refusal, Refusal) for refusal in refusals)
    assert "a named pipe" in str(refusals[0])
    assert "a device" in str(refusals[1])


def test_a_file_that_vanished_is_a_refusal(tmp_path: Path) -> None:
    refusal = read_shot(tmp_path / "gone.png", LIMIT)
    assert isinstance(refusal, Refusal)
    assert "cannot be read" in refusal.reason


@pytest.mark.parametrize(("shape", "expected"), [((2, 3), RAW_GRAY8), ((2, 3, 3), RAW_RGB8)])
def test_an_array_is_sent_as_raw_pixels(tmp_path: Path, shape: tuple, expected: str) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.save(tmp_path / "1.npy", pixels)
    shot = read_shot(tmp_path / "1.npy", LIMIT)
    assert isinstance(shot, Shot)
    assert (shot.content_type, shot.width, shot.height) == (expected, 3, 2)
    assert shot.data == pixels.tobytes()


@pytest.mark.parametrize("pixels", [np.zeros((2, 3)), np.zeros((2, 3, 4), np.uint8)])
def test_an_array_of_another_kind_is_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    np.save(tmp_path / "1.npy", pixels)
    refusal = read_shot(tmp_path / "1.npy", LIMIT)
    assert isinstance(refusal, Refusal)
    assert "expected uint8" in refusal.reason


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert isinstance(read_shot(tmp_path / "1.npy", LIMIT), Refusal)


@pytest.mark.parametrize(
    ("path", "truth"),
    [
        ("x/test/good/1.png", "good"),
        ("x/test/dent/1.png", "dent"),
        ("x/test/ok/1.bmp", "good"),
        ("x/photos/1.png", None),
    ],
)
def test_the_truth_is_read_from_the_folders(path: str, truth: str | None) -> None:
    assert truth_of(Path(path)) == truth


def test_looping_starts_again_and_playing_once_does_not(tmp_path: Path) -> None:
    touch(tmp_path / "1.png"), touch(tmp_path / "2.png")
    listing = list_files(str(tmp_path))
    assert len(list(file_shots(listing, LIMIT, loop=False, shuffle=False))) == 2
    looped = itertools.islice(file_shots(listing, LIMIT, loop=True, shuffle=False), 5)
    assert [Path(shot.path or "").stem for shot in looped] == ["1", "2", "1", "2", "1"]


def test_looping_over_nothing_usable_ends(tmp_path: Path) -> None:
    touch(tmp_path / "1.png", bytes(LIMIT + 1))
    listing = list_files(str(tmp_path))
    assert len(list(file_shots(listing, LIMIT, loop=True, shuffle=False))) == 1


def test_shuffling_mixes_always_in_the_same_way(tmp_path: Path) -> None:
    for number in range(20):
        touch(tmp_path / f"{number:02}.png")
    listing = list_files(str(tmp_path))
    once, again = (
        [shot.path for shot in file_shots(listing, LIMIT, loop=False, shuffle=True)]
        for _ in range(2)
    )
    assert once == again != sorted(map(str, listing.files))
    assert sorted(map(str, once)) == sorted(map(str, listing.files))


def test_the_synthetic_series_depends_on_seed_and_index_alone() -> None:
    settings = SyntheticSettings(width=64, height=48)
    shot = synthetic_shot(3, settings)
    assert shot == synthetic_shot(3, settings)
    assert shot.data != synthetic_shot(4, settings).data
    assert shot.data != synthetic_shot(3, settings.model_copy(update={"seed": 1})).data


def test_a_synthetic_png_holds_the_rendered_pixels() -> None:
    settings = SyntheticSettings(width=64, height=48, defect_share=1, kinds=["dent"])
    shot = synthetic_shot(3, settings)
    pixels = np.asarray(Image.open(io.BytesIO(shot.data)))
    assert np.array_equal(pixels, render(3, 0, "dent", (48, 64)).image)
    assert (shot.truth, shot.index, shot.content_type) == ("dent", 3, "image/png")


def test_a_synthetic_jpeg_is_one() -> None:
    settings = SyntheticSettings(width=64, height=48, encoding="jpeg")
    shot = synthetic_shot(0, settings)
    assert Image.open(io.BytesIO(shot.data)).format == "JPEG"
    assert shot.content_type == "image/jpeg"


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_share_of_defects_is_kept(share: float) -> None:
    settings = SyntheticSettings(defect_share=share)
    drawn = [draw_defect(index, settings) for index in range(2000)]
    defects = [kind for kind in drawn if kind]
    assert len(defects) / 2000 == pytest.approx(share, abs=0.03)
    assert set(defects) == (set(DEFECT_KINDS) if share else set())
