from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from workers.cli import app

RUNNER = CliRunner()
VIEW = """
view:
  region: {left: 0.5, top: 0, width: 0.5, height: 1}
  ignore: {rectangles: [{left: 0.5, top: 0, width: 0.25, height: 0.5}]}
  input_size: {height: 64, width: 64}
  tiles: {rows: 1, columns: 2}
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (200, 100), (250, 250, 250)).save(tmp_path / "photo.png")
    (tmp_path / "bolts.yaml").write_text(VIEW)
    return tmp_path / "photo.png"


def shown(*arguments: object) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["inspect", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.slow
def test_a_view_is_seen_before_anything_is_trained(photo: Path, tmp_path: Path) -> None:
    given = ["--categories", tmp_path, "--category", "bolts", "--out", tmp_path / "look"]
    code, output = shown(photo, "--show-view", *given)
    assert code == 0, output
    with Image.open(tmp_path / "look/photo-view.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > 4 * 480  # frame, canvas and two tiles
    frame = pixels[40:510, 12:960]
    assert (frame[:, :470] < 100).all()  # outside the region
    assert (frame == (255, 70, 70)).all(axis=2).any()  # ignored


@pytest.mark.slow
def test_a_trained_models_view_is_shown(model_folder: Path, photo: Path, tmp_path: Path) -> None:
    code, output = shown(photo, "--show-view", "--model", model_folder, "--out", tmp_path / "look")
    assert code == 0, output
    assert (tmp_path / "look/photo-view.png").is_file()


def test_what_is_missing_is_asked_for(photo: Path, tmp_path: Path) -> None:
    assert "--out" in shown(photo, "--show-view", "--category", "bolts")[1]
    assert "--model" in shown(photo)[1]
    out = ["--out", tmp_path / "look"]
    assert "--category" in shown(photo, "--show-view", *out)[1]
