"""What is written in a settings file is what a name is; where a number is meant, it is one."""

from pathlib import Path

import pytest

from workers.camera.settings import CameraProcessSettings
from workers.runtime.categories import CategoriesSection, read_categories, read_category
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import parse_assignments, read_yaml

ODD = ["001", "1", "on", "no", "yes", "true", "1e3", "1.10", "0x1F", "1_000", "12", "2026-01-31"]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("name", ODD)
def test_a_category_is_called_as_it_is_written(tmp_path: Path, name: str) -> None:
    region = "{left: 0.25, top: 0.25, width: 0.5, height: 0.5}"
    file = write(tmp_path / "x.yaml", f"name: {name}\nview: {{region: {region}}}\n")
    found = read_categories(CategoriesSection(folder=tmp_path))
    assert list(found) == [name]
    assert found[name].view is not None
    assert read_category(file).view.region.left == 0.25  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ODD)
def test_cameras_and_their_categories_are_too(tmp_path: Path, name: str) -> None:
    file = write(
        tmp_path / "camera.yaml",
        f"camera: {{category: {name}, ids: [{name}], categories: {{{name}: {name}}}, "
        "rate: 2.5, loop: yes, frames: 1_000}\nkafka: {max_frame_bytes: 8.388608e+06}\n",
    )
    camera = CameraProcessSettings.load(file)
    assert (camera.camera.category, camera.camera.ids) == (name, [name])
    assert camera.camera.categories == {name: name}
    assert (camera.camera.rate, camera.camera.loop, camera.camera.frames) == (2.5, True, 1000)
    assert camera.kafka.max_frame_bytes == 8 * 2**20
    flag = CameraProcessSettings.load(None, parse_assignments([f"camera.category={name}"]))
    assert flag.camera.category == name


def test_nothing_is_nothing(tmp_path: Path) -> None:
    content = read_yaml(write(tmp_path / "x.yaml", "a: null\nb: ~\nc:\nd: 'null'\ne: ''\n"))
    assert content == {"a": None, "b": None, "c": None, "d": "null", "e": ""}


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path / "x.yaml", "name: bolts\n", "utf-8-sig")) == {"name": "bolts"}


@pytest.mark.parametrize("name", ["Metal Nut", "Schraube/ä", "-x", "a" * 101, "a\nb"])
def test_a_name_that_no_model_can_have_is_refused_at_each_door(tmp_path: Path, name: str) -> None:
    for path in ("camera.category", "camera.categories"):
        given = {path: name if path.endswith("y") else {"cam-1": name}}
        with pytest.raises(SettingsError, match="use letters, digits"):
            CameraProcessSettings.load(None, given)
    with pytest.raises(SettingsError, match="use letters, digits"):
        read_category(write(tmp_path / "x.yaml", f"name: {name!r}\n"))


def test_a_refused_name_comes_with_one_that_is_right() -> None:
    with pytest.raises(SettingsError, match="for instance Metal_Nut"):
        CameraProcessSettings.load(None, {"camera.category": "Metal Nut"})


def test_two_files_of_one_category_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "name: bolts")
    write(tmp_path / "bolts.yml", "")
    with pytest.raises(SettingsError, match=r"bolts\.yml: .*a\.yaml is for bolts, too"):
        read_categories(CategoriesSection(folder=tmp_path))


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("kafka:\n  bootstrap_servers: a\nredis: {}\nkafka: {}\n")
    with pytest.raises(SettingsError, match="the key kafka is given twice, line 4, column 1"):
        read_yaml(file)


def test_merged_keys_may_be_overridden(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_yaml(file)["b"] == {"x": "3", "y": "2"}


def test_another_encoding_is_told(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_bytes("name: Straße".encode("latin-1"))
    with pytest.raises(SettingsError, match="byte 11 is no UTF-8; save the file as UTF-8"):
        read_yaml(file)


def test_what_may_be_several_things_is_told_in_one_line(tmp_path: Path) -> None:
    file = write(tmp_path / "bolt.yaml", "view: {bits: 12bit}\n")
    with pytest.raises(SettingsError, match="valid integer") as error:
        read_category(file)
    (line,) = str(error.value).splitlines()
    assert "; or: Input should be 'auto' (given: '12bit')" in line
