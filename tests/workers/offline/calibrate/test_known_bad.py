"""`calibrate --known-bad`: whole defective pictures, what passes, and two limits in conflict."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from stream_inspector.errors import DataError
from stream_inspector.synthetic import render
from stream_inspector.threshold.budget import Calibration
from workers.cli import app
from workers.offline.calibrate.known_bad import UNSORTED, known_bad_files
from workers.offline.model_folder import read_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("known-bad")]


@pytest.fixture(scope="module")
def scrap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight defective pictures of two kinds, one of them unsorted, and no mask."""
    folder = tmp_path_factory.mktemp("scrap")
    for index in range(8):
        kind = "stain" if index % 2 else "dent"
        at = folder / kind if index else folder
        at.mkdir(exist_ok=True)
        Image.fromarray(render(300 + index, 0, kind).image).save(at / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def hidden(scrap: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and five whose defect no camera sees."""
    folder = tmp_path_factory.mktemp("hidden") / "scrap"
    shutil.copytree(scrap, folder)
    (folder / "inside").mkdir()
    for index in range(5):
        Image.fromarray(render(400 + index, 0).image).save(folder / f"inside/{index}.png")
    return folder


def calibrate(model: Path, *arguments: object) -> Result:
    flags = ("calibrate", "--model", model, *arguments)
    return CliRunner().invoke(app, [str(flag) for flag in flags])


def calibration(model: Path) -> Calibration:
    return read_model(model).calibrations["flanges"]


def test_sub_folders_are_kinds_at_any_depth(scrap: Path, tmp_path: Path) -> None:
    shutil.copytree(scrap / "dent", tmp_path / "line-3" / "deep dent")
    shutil.copy(scrap / "0.png", tmp_path / "0.png")

    kinds = {file.kind for file in known_bad_files(tmp_path)}

    assert kinds == {"line-3/deep dent", UNSORTED}
    assert all(file.defective and file.mask is None for file in known_bad_files(tmp_path))


@pytest.mark.parametrize("good", ["good", "OK", "line-3/i.O."])
def test_good_pictures_are_no_known_bad_ones(scrap: Path, tmp_path: Path, good: str) -> None:
    shutil.copytree(scrap / "dent", tmp_path / good)

    with pytest.raises(DataError, match="holds good pictures"):
        known_bad_files(tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        known_bad_files(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        known_bad_files(tmp_path / "nowhere")


def test_what_passes_is_counted_by_kind_and_kept(
    model_folder: Path, further: Path, scrap: Path
) -> None:
    result = calibrate(model_folder, "--good", further, "--known-bad", scrap)

    assert result.exit_code == 0, result.output
    assert "no mask" not in result.output
    check = calibration(model_folder).defects
    assert check is not None
    assert (check.images, check.regions, check.pro) == (8, 0, None)
    assert {(kind.kind, kind.images) for kind in check.kinds} == {
        *(("dent", 3), ("stain", 4), (UNSORTED, 1))
    }
    assert "Of 8 defective images" in result.output


def test_two_limits_that_cannot_hold_are_shown_with_pictures_and_what_may_help(
    model_folder: Path, further: Path, hidden: Path, tmp_path: Path
) -> None:
    page = tmp_path / "look.html"
    both = ("--known-bad", hidden, "--most-escapes", "10%", "--false-reject", "10%")
    calibrate(model_folder, "--good", further, "--false-reject", "10%")
    before = calibration(model_folder).image_threshold

    result = calibrate(model_folder, "--good", further, *both, "--report", page)

    assert result.exit_code == 0, result.output
    check = calibration(model_folder).defects
    assert check is not None
    assert check.escape_rate.value > 0.1
    missed = {each.kind for each in check.kinds if each.alarms == 0}
    assert "inside" in missed
    assert not check.escapes_decide
    assert calibration(model_folder).image_threshold == before
    assert "The false alarms decide" in result.output.replace("\n", " ")
    text = page.read_text()
    assert "The two limits cannot both hold" in text
    assert "Defects that pass" in text
    assert "Good parts that would alarm" in text
    assert 'class="band"' in text
    tried = re.findall(r'data-head="passes in the trial">([^<]+)', text)
    assert len(tried) == 7
    assert all(each.endswith("%") for each in (tried[0], tried[1], tried[4]))


def test_what_may_pass_decides_where_no_false_alarms_were_asked_for(
    model_folder: Path, further: Path, hidden: Path
) -> None:
    wanted = ("--good", further, "--known-bad", hidden, "--most-escapes", "0.2")

    result = calibrate(model_folder, *wanted)

    assert result.exit_code == 0, result.output
    check, made = calibration(model_folder).defects, calibration(model_folder)
    assert check is not None
    assert (check.most_escapes, check.escapes_decide) == (0.2, True)
    assert check.escape_rate.value <= 0.2
    assert made.image_threshold < made.image_scores[-1]
    assert made.certified_false_reject > 0.3  # what it costs is promised honestly
    assert "the threshold was lowered" in result.output.replace("\n", " ")
    assert "optimistic" in result.output


@pytest.mark.parametrize(
    "case",
    [
        (("--most-escapes", "2%"), 78, "--most-escapes: give --known-bad"),
        (("--known-bad", "SCRAP", "--most-escapes", "0"), 2, "more than none"),
        (("--known-bad", "SCRAP", "--most-escapes", "5"), 2, "more than all"),
        (("--known-bad", "GOOD"), 65, "among the good images and the known bad ones alike"),
    ],
)
def test_what_makes_no_sense_is_said(
    model_folder: Path, further: Path, scrap: Path, case: tuple[tuple[str, ...], int, str]
) -> None:
    arguments, status, words = case
    folders = {"SCRAP": scrap, "GOOD": further}
    flags = [folders.get(flag, flag) for flag in arguments]

    result = calibrate(model_folder, "--good", further, *flags)

    assert result.exit_code == status, result.output
    assert words in result.output.replace("\n", " ") + result.stderr.replace("\n", " ")


def test_pictures_that_trained_the_model_are_no_known_bad_ones(
    model_folder: Path, further: Path, flanges: Path, tmp_path: Path
) -> None:
    shutil.copy(flanges / "train/good/000.png", tmp_path / "copy.png")

    result = calibrate(model_folder, "--good", further, "--known-bad", tmp_path)

    assert result.exit_code == 65
    assert "copy.png: among the good images" in result.stderr
