"""A command ends with a clear line, and with the rest of its work done, when a file is bad."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from stream_inspector.synthetic import render
from workers.cli import app

QUIET = ("--engine", "torch", "--no-explain")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def part(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(render(number, 0).image).save(path)
    return path


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Two good files, and one that breaks off."""
    for number in range(2):
        part(tmp_path / f"parts/{number}.png", number)
    (tmp_path / "parts/broken.jpg").write_bytes(part(tmp_path / "x.jpg").read_bytes()[:600])
    return tmp_path / "parts"


@pytest.mark.slow
def test_inspect_names_a_damaged_file_and_inspects_the_others(
    parts: Path, model_folder: Path, tmp_path: Path
) -> None:
    given = ("inspect", parts, "--model", model_folder, "--out", tmp_path / "look", *QUIET)
    failed, skipped = run(*given), run(*given, "--on-corrupt", "skip")
    assert (failed.exit_code, skipped.exit_code) == (65, 0)
    for result in (failed, skipped):
        assert "broken.jpg" in result.output
        assert "left out" in result.output
        assert str(parts / "1.png") in result.output
    assert "1 of 3 files could not be inspected, the others were" in failed.stderr
    assert {path.name for path in (tmp_path / "look").iterdir()} == {
        f"{number}-{name}.png" for number in range(2) for name in ("frame", "heatmap", "outline")
    }


@pytest.mark.slow
def test_results_of_files_of_one_name_lie_beside_each_other(
    model_folder: Path, tmp_path: Path
) -> None:
    for number, folder in enumerate("abc"):
        part(tmp_path / f"data/{folder}/001.jpg", number)
    part(tmp_path / "data/ground_truth/a/001.jpg")
    look, view = tmp_path / "look", tmp_path / "view"
    assert (
        run("inspect", tmp_path / "data", "--model", model_folder, "--out", look, *QUIET).exit_code
        == 0
    )
    assert len(list(look.iterdir())) == 9
    assert {path.name.partition("-001-")[0] for path in look.iterdir()} == {"a", "b", "c"}
    folders = [tmp_path / "data" / name for name in "abc"]
    shown = run("inspect", *folders, "--show-view", "--model", model_folder, "--out", view)
    assert shown.exit_code == 0, shown.output
    assert {path.name for path in view.iterdir()} == {f"{name}-001-view.png" for name in "abc"}


@pytest.mark.slow
def test_a_name_that_is_no_text_is_inspected_and_evaluated(
    flanges: Path, model_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(flanges / "test", tmp_path / "data/test")
    odd = os.fsdecode(b"teil-\xe4.png")
    (tmp_path / "data/test/stain/0.png").rename(tmp_path / "data/test/stain" / odd)
    inspected = run("inspect", tmp_path / "data/test/stain", "--model", model_folder, *QUIET)
    evaluated = run(
        *("evaluate", "--model", model_folder, "--data", tmp_path / "data"),
        *("--html", tmp_path / "html", "--json", tmp_path / "all.json", "--no-counterparts"),
        *("--engine", "torch"),
    )
    assert inspected.exit_code == 0, inspected.output
    assert evaluated.exit_code == 0, evaluated.output
    assert "no mask" in evaluated.output


@pytest.mark.slow
def test_evaluate_goes_on_without_a_damaged_mask_where_that_is_wanted(
    flanges: Path, model_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for name in ("test", "ground_truth"):
        shutil.copytree(flanges / name, data / name)
    mask = data / "ground_truth/stain/0_mask.png"
    mask.write_bytes(mask.read_bytes()[:60] + b"\xff" * 40)
    given = ("evaluate", "--model", model_folder, "--data", data, "--engine", "torch")
    failed, skipped = run(*given), run(*given, "--on-corrupt", "skip", "--no-counterparts")
    assert failed.exit_code == 65
    assert "0_mask.png: is no readable mask" in failed.stderr
    assert "--on-corrupt skip" in failed.stderr
    assert skipped.exit_code == 0, skipped.output
    assert "0_mask.png" in skipped.output


@pytest.mark.slow
def test_two_maps_of_one_name_are_refused_before_anything_is_scored(
    flanges: Path, model_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(flanges / "test", tmp_path / "data/test")
    part(tmp_path / "data/test/stain/0.jpg")
    given = ("evaluate", "--model", model_folder, "--data", tmp_path / "data")
    result = run(*given, "--save-maps", tmp_path / "maps", "--engine", "torch")
    assert result.exit_code == 65
    assert "two test images of that name" in result.stderr
    assert "scoring" not in result.output


@pytest.mark.slow
def test_orientations_and_bits_are_told_at_the_end_of_a_command(
    model_folder: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(render(0, 0).image).save(tmp_path / "turned.jpg", exif=exif)
    result = run("inspect", tmp_path / "turned.jpg", "--model", model_folder, *QUIET)
    assert result.exit_code == 0
    assert "1 picture (e.g. turned.jpg) has an orientation" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(model_folder: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    result = run("inspect", closed, "--model", model_folder, *QUIET)
    assert result.exit_code == 65


@pytest.mark.slow
def test_an_out_folder_that_cannot_be_written_is_named(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    part(tmp_path / "0.png")
    result = run(
        *("inspect", tmp_path / "0.png", "--model", model_folder, "--out", tmp_path / "file/look"),
        *QUIET,
    )
    assert result.exit_code == 65
    assert "Not a directory" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_a_large_file_is_read_when_its_limit_is_raised(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.bmp"
    Image.fromarray(render(0, 0).image).resize((2000, 1600)).save(path)
    given = ("inspect", path, "--model", model_folder, *QUIET)
    refused, read = run(*given), run(*given, "--set", "kafka.max_frame_bytes=16777216")
    assert refused.exit_code == 65
    assert "setting kafka.max_frame_bytes" in refused.output.replace("\n", " ")
    assert read.exit_code == 0, read.output


@pytest.mark.slow
def test_training_says_what_lies_in_the_folder(tmp_path: Path) -> None:
    for name in ("OK", "NOK"):
        part(tmp_path / f"photos/{name}/0.png")
    result = run("train", "--data", tmp_path / "photos")
    assert result.exit_code == 65
    assert "photos/OK, the good images" in result.stderr
    rng = np.random.default_rng(0)
    pages = [Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)) for _ in range(24 * 2)]
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(24):
        pages[2 * number].save(
            folder / f"{number}.tif", save_all=True, append_images=[pages[2 * number + 1]]
        )
    result = run("train", "--data", folder)
    assert result.exit_code == 65
    assert "holds 2 pictures (pages)" in result.stderr
