"""A category's file: what it may say, and what is wrong with it in words."""

from pathlib import Path

import pytest

from workers.runtime.categories import (
    CategoriesSection,
    asks_for_another,
    read_categories,
    read_category,
    trained_view,
)
from workers.runtime.errors import SettingsError

WHOLE = """
name: bolts
description: M8
view:
  frame_size: {width: 1500, height: 1000}
  region: {left: 100, top: 0, width: 1200, height: 900}
  ignore:
    mask: fixture.png
    rectangles: [{left: 1000, top: 800, width: 300, height: 100}]
    polygons: [[[100, 0], [200, 0], [100, 90]]]
  input_size: {height: 256, width: 384}
  keep_aspect: true
  tiles: {rows: 2, columns: 3, overlap: 0.2}
"""


def written(folder: Path, text: str, name: str = "bolts.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_every_key_is_read(tmp_path: Path) -> None:
    category = read_category(written(tmp_path, WHOLE))
    assert category.name == "bolts"
    assert category.mask == tmp_path / "fixture.png"
    view = category.view
    assert view is not None
    assert view.region is not None
    assert view.region.box == (100, 0, 1300, 900)
    assert view.ignore.polygons == (((100, 0), (200, 0), (100, 90)),)
    assert (view.tiles.rows, view.tiles.columns, view.tiles.overlap) == (2, 3, 0.2)


def test_a_file_may_be_empty(tmp_path: Path) -> None:
    category = read_category(written(tmp_path, ""))
    assert (category.name, category.view, category.fingerprint) == ("bolts", None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("view: {regoin: {}}", "view.regoin: unknown key. Did you mean region?"),
        ("view: {input_size: {height: 100, width: 96}}", "multiple of 16"),
        ("view: {input_size: big}", "auto"),
        ("view: {tiles: {rows: 4, columns: 4}}", "4 x 4 tiles; at most 12"),
        ("view: {tiles: {rows: 2, overlap: 0.7}}", "less than or equal to 0.5"),
        ("view: {region: {left: 0, top: 0, width: 500, height: 400}}", "give frame_size"),
        ("view: {ignore: {polygons: [[[0, 0], [1, 1]]]}}", "at least 3"),
        ("view: {ignore: {polygons: [[[0, 0], [1, 2], [0, 1]]]}}", "beyond the frame"),
        ("view: {region: {left: -0.1, top: 0, width: 0.5, height: 0.5}}", "greater than or equal"),
        ("name: ../etc", "use letters"),
        ("budget: {image_false_reject: 5}", "budget.image_false_reject"),
        ("budget: {false_reject: 0.1}", "budget.false_reject: unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_category(written(tmp_path, text))
    assert words in str(caught.value)
    assert "bolts.yaml" in str(caught.value)


def test_files_and_names_together(tmp_path: Path) -> None:
    written(tmp_path, WHOLE)
    written(tmp_path, "name: nuts", "other.yaml")
    found = read_categories(CategoriesSection(folder=tmp_path, names=("screws",)))
    assert set(found) == {"bolts", "nuts", "screws"}
    assert found["screws"].view is None


def test_another_view_is_told_from_the_one_that_was_trained(tmp_path: Path) -> None:
    file, mask = written(tmp_path, WHOLE), tmp_path / "fixture.png"
    mask.write_bytes(b"one")
    trained = trained_view({"bolts/view_settings": read_category(file).fingerprint}, "bolts")
    assert not asks_for_another(read_category(file), trained)
    assert asks_for_another(read_category(file), None)
    mask.write_bytes(b"two")
    assert asks_for_another(read_category(file), trained)
    mask.unlink()  # a worker may have the file without its picture
    assert not asks_for_another(read_category(file), trained)
    other = written(tmp_path, WHOLE.replace("top: 0", "top: 1"))
    assert asks_for_another(read_category(other), trained)
    assert not asks_for_another(read_category(written(tmp_path, "name: bolts")), trained)


def test_defaults_that_are_written_out_ask_for_nothing_else(tmp_path: Path) -> None:
    short = read_category(written(tmp_path, "view: {keep_aspect: true}"))
    long = "view: {keep_aspect: true, tiles: {rows: 1, overlap: 0.25}, region: null}"
    assert not asks_for_another(read_category(written(tmp_path, long)), short.fingerprint)
