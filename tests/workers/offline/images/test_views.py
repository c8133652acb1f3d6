"""From a category's file to the view of frames at hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.views import find_category, usual_frame, view_for
from workers.runtime.categories import CategoriesSection, Category
from workers.runtime.errors import SettingsError

SIZE = (64, 64)


def category(folder: Path, text: str) -> Category:
    (folder / "bolts.yaml").write_text(text)
    return find_category("bolts", CategoriesSection(folder=folder))


def test_without_a_file_or_a_view_the_whole_frame_is_seen_in_its_shape(tmp_path: Path) -> None:
    nuts = find_category("nuts", CategoriesSection(folder=tmp_path))
    for each in (nuts, category(tmp_path, "name: bolts")):
        assert view_for(each, SIZE, (150, 150)) == View(SIZE, upright=True, bits=0)
        assert view_for(each, SIZE, (160, 80)) == View((48, 96), upright=True, bits=0)


def test_the_presets_own_size_is_seen_on_request(tmp_path: Path) -> None:
    bolts = category(tmp_path, "view: {input_size: preset}")
    assert view_for(bolts, SIZE, (150, 100)) == View(SIZE, upright=True, bits=0)


def test_pixels_and_shares_mean_the_same_place(tmp_path: Path) -> None:
    pixels = category(
        tmp_path,
        "view: {frame_size: {width: 200, height: 100},"
        " region: {left: 50, top: 0, width: 100, height: 100},"
        " ignore: {rectangles: [{left: 50, top: 0, width: 50, height: 50}]}}",
    )
    shares = category(
        tmp_path,
        "view: {region: {left: 0.25, top: 0, width: 0.5, height: 1},"
        " ignore: {polygons: [[[0.25, 0], [0.495, 0], [0.495, 0.495], [0.25, 0.495]]]}}",
    )
    one, other = (view_for(each, SIZE, (400, 200)) for each in (pixels, shares))
    assert one.region == other.region == (0.25, 0.0, 0.75, 1.0)
    assert np.mean(one.valid != other.valid) < 0.05
    assert not one.valid[:32, :32].any()


def test_a_mask_lies_beside_the_file_and_white_is_ignored(tmp_path: Path) -> None:
    mask = np.zeros((50, 100), np.uint8)
    mask[:, 50:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    view = view_for(
        category(tmp_path, "view: {input_size: preset, ignore: {mask: mask.png}}"), SIZE, (400, 200)
    )
    assert view.valid[:, :32].all()
    assert not view.valid[:, 32:].any()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("view: {ignore: {mask: gone.png}}", "gone.png is no readable mask"),
        (
            "view: {ignore: {rectangles: [{left: 0, top: 0, width: 1, height: 1}]}}",
            "category bolts: view: nothing is left to inspect",
        ),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        view_for(category(tmp_path, text), SIZE, (400, 200))


def test_the_usual_frame_is_that_of_most_images(tmp_path: Path) -> None:
    for index, size in enumerate([(8, 6), (8, 6), (4, 4)]):
        Image.new("L", size).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    assert usual_frame(sorted(tmp_path.iterdir())) == (8, 6)
    with pytest.raises(DataError, match="no image can be read"):
        usual_frame([tmp_path / "3.png"])


def test_a_stated_defect_chooses_the_tiles_in_the_unit_of_the_frame(tmp_path: Path) -> None:
    stated = "view: {tiles: {smallest_defect: 20}}"
    by_frame = view_for(category(tmp_path, stated), (320, 320), (1200, 1200))
    assert (by_frame.rows, by_frame.columns) == (2, 2)
    half = stated.replace("{tiles", "{frame_size: {width: 600, height: 600}, tiles")
    by_size = view_for(category(tmp_path, half), (320, 320), (1200, 1200))
    assert (by_size.rows, by_size.columns) == (1, 1)


@pytest.mark.parametrize(
    ("tiles", "said"),
    [
        ("{smallest_defect: 20, rows: 2}", "rows and columns, or smallest_defect"),
        ("{smallest_defect: 1}", "1 pixels of 1200 x 1200"),
    ],
)
def test_a_defect_that_cannot_be_shown_is_told(tmp_path: Path, tiles: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        view_for(category(tmp_path, f"view: {{tiles: {tiles}}}"), (320, 320), (1200, 1200))
