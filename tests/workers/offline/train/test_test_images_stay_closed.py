"""Nothing that trains, selects or sets thresholds opens a labelled test image, or its mask."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_inspector.image.view.canvas import View
from workers.cli import app
from workers.offline.model_folder import read_model
from workers.runtime.categories import trained_view

RUNNER = CliRunner()
_EVENTS = {"open", "os.listdir", "os.scandir"}
_WATCHED: list[list[str]] = []  # an audit hook cannot be taken out again


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHED and event in _EVENTS and arguments and isinstance(arguments[0], str | Path):
        _WATCHED[-1].append(str(arguments[0]))


sys.addaudithook(_hook)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every file and folder that is opened meanwhile."""
    _WATCHED.append([])
    yield _WATCHED[-1]
    _WATCHED.pop()


@pytest.fixture
def folder(flanges: Path, tmp_path: Path) -> Path:
    """Good images beside test images that nobody could read."""
    shutil.copytree(flanges / "train", tmp_path / "flanges/train")
    for name in ("test/good", "test/stain", "ground_truth/stain"):
        (tmp_path / "flanges" / name).mkdir(parents=True)
        (tmp_path / "flanges" / name / "0.png").write_bytes(b"no image at all")
    return tmp_path / "flanges"


@pytest.mark.slow
def test_neither_training_nor_calibration_opens_them(
    folder: Path, model_folder: Path, further: Path, tmp_path: Path, opened: list[str]
) -> None:
    (tmp_path / "flanges.yaml").write_text("view: {input_size: {height: 64, width: 64}}")
    small = ["--preset", "pixel-small", "--iterations", "1", "--categories", str(tmp_path)]
    RUNNER.invoke(app, ["train", "--data", str(folder), "--out", str(tmp_path / "made"), *small])
    good = ["--good", str(further), "--report", str(tmp_path / "report.html")]
    calibrated = RUNNER.invoke(
        app, ["calibrate", "--model", str(model_folder), "--data", str(folder), *good]
    )

    assert calibrated.exit_code == 0, calibrated.output
    # three of thirty images set no thresholds, but everything else was done
    made = read_model(tmp_path / "made")
    assert made.view() == View((64, 64), upright=True, bits=0)
    assert trained_view(made.provenance, "flanges")
    seen = {Path(path) for path in opened}
    assert folder / "train/good/000.png" in seen  # the hook works
    closed = [folder / "test", folder / "ground_truth"]
    assert not [path for path in seen if any(path.is_relative_to(each) for each in closed[1:])]
    assert not [path for path in seen if path.suffix and path.is_relative_to(closed[0])]
