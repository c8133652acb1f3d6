from pathlib import Path

import pytest

from workers.demo.stage.folder import prepare, write_poison
from workers.runtime.errors import SettingsError


def test_a_second_run_empties_what_the_first_left_but_keeps_trained_models(tmp_path: Path) -> None:
    first = prepare(tmp_path / "out")
    first.report.write_text("old")
    (first.folder("pictures") / "a.png").write_bytes(b"old")
    (first.folder("cache") / "model").write_bytes(b"minutes of training")

    second = prepare(tmp_path / "out")

    assert not second.report.exists()
    assert not (second.root / "pictures").exists()
    assert (second.root / "cache/model").read_bytes() == b"minutes of training"


def test_a_folder_of_somebody_else_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(SettingsError, match="is not empty and no demo made it"):
        prepare(tmp_path)

    assert (tmp_path / "thesis.tex").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")

    with pytest.raises(SettingsError, match="is a file"):
        prepare(tmp_path / "out")


def test_poison_has_the_names_of_images(tmp_path: Path) -> None:
    files = sorted(write_poison(tmp_path, 3).iterdir())

    assert [file.suffix for file in files] == [".jpg", ".png", ".jpg"]
