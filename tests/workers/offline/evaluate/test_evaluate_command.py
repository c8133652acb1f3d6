"""`evaluate` from the command line: tables, figures as JSON, maps for others' evaluators."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from stream_inspector.errors import DataError
from stream_inspector.threshold.pro import pixel_auroc
from workers.cli import app
from workers.offline.evaluate.saved_maps import save_maps
from workers.offline.images.datasets import LabelledFile


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def root(flanges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two categories, one of which nobody has trained on."""
    folder = tmp_path_factory.mktemp("root")
    shutil.copytree(flanges, folder / "flanges")
    shutil.copytree(flanges, folder / "cable")
    return folder


@pytest.mark.slow
def test_every_member_is_reported_and_both_ensembles(
    model_folder: Path, flanges: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out/card.json"

    result = run(
        *("evaluate", "--model", model_folder, "--data", flanges, "--engine", "torch"),
        *("--json", file, "--no-counterparts"),
    )

    assert result.exit_code == 0, result.output
    told = json.loads(file.read_text())
    card = told["categories"]["flanges"]
    assert set(card["members"]) == {
        *("ensemble", "kl+features", "kl", "features", "mahalanobis", "control")
    }
    assert (card["n_good"], card["n_defective"], card["n_masks"]) == (1, 1, 1)
    assert card["resolution"] == [128, 128]
    assert len(card["members"]["kl"]["pro"]) == len(told["curve_rates"])
    assert told["mean"]["kl"] == card["members"]["kl"]
    assert card["counterparts"] is None
    assert [(kind["kind"], kind["images"]) for kind in card["kinds"]] == [("stain", 1), ("good", 1)]
    assert card["recall"]["value"] == card["at_threshold"]["recall"]
    assert card["false_alarms"]["high"] > 0.9  # one image says little
    assert [(each["file"], each["defective"]) for each in card["images"]] == [
        *(("good/0.png", False), ("stain/0.png", True))
    ]
    limit = card["at_threshold"]["threshold"]
    assert all((i["score"] > limit) == (i["verdict"] == "defect") for i in card["images"])
    lines = result.output.splitlines()
    leads = next(n for n, line in enumerate(lines) if "at the threshold" in line)
    assert leads < next(n for n, line in enumerate(lines) if "AUROC" in line)


@pytest.mark.slow
def test_a_root_is_measured_where_there_is_a_model(
    model_folder: Path, root: Path, tmp_path: Path
) -> None:
    result = run(
        *("evaluate", "--model", model_folder, "--data", root, "--engine", "torch"),
        *("--resolution", "64", "--html", tmp_path / "report", "--json", tmp_path / "all.json"),
    )

    assert result.exit_code == 0, result.output
    assert "no model for cable" in result.output
    assert "at 64 x 64 px" in result.output
    assert "MVTec AD" not in result.output  # the licence of what is measured, not of the rest
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        *("index.html", "category-flanges.html", "category-flanges-pictures")
    }
    page = (tmp_path / "report/category-flanges.html").read_text()
    for caption in ("stain/0.png", "KL map", "Truth", "Counterpart", "step 1"):
        assert caption in page
    told = json.loads((tmp_path / "all.json").read_text())["categories"]["flanges"]
    assert told["counterparts"]["images"] == 1
    assert told["counterparts"]["change_outside"] is not None


@pytest.mark.slow
def test_saved_maps_are_what_was_measured(
    model_folder: Path, flanges: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "card.json", tmp_path / "anomaly_maps"
    with Image.open(flanges / "test/stain/0.png") as picture:
        width, height = picture.size

    result = run(
        *("evaluate", "--model", model_folder, "--data", flanges, "--engine", "torch"),
        *("--json", file, "--save-maps", out, "--no-counterparts"),
    )

    assert result.exit_code == 0, result.output
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*.tiff"))
    assert names == ["flanges/test/good/0.tiff", "flanges/test/stain/0.tiff"]
    maps = np.stack([read_map(out / name) for name in names])
    assert (maps.dtype, maps.shape) == (np.float32, (2, height, width))
    with Image.open(flanges / "ground_truth/stain/0_mask.png") as picture:
        mask = np.asarray(picture) > 127
    told = json.loads(file.read_text())["categories"]["flanges"]["members"]["ensemble"]
    own = pixel_auroc(maps, np.stack([np.zeros_like(mask), mask]))
    assert own == pytest.approx(told["pixel_auroc"], abs=0.01)


def read_map(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "F"
        return np.asarray(picture)


def test_images_that_would_share_a_map_are_refused(tmp_path: Path) -> None:
    files = [
        LabelledFile(Path(name), "bent", defective=True, mask=None) for name in ("0.png", "0.jpg")
    ]

    with pytest.raises(DataError, match=r"bent/0\.tiff: two test images"):
        save_maps(tmp_path, "nut", files, np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize("size", ["0", "64x", "64x64x3", "big"])
def test_a_resolution_has_one_or_two_sides(size: str, model_folder: Path, flanges: Path) -> None:
    result = run("evaluate", "--model", model_folder, "--data", flanges, "--resolution", size)

    assert result.exit_code == 2
    assert "height first" in result.output
