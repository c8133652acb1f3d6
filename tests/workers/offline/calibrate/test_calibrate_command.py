"""`calibrate` from its flags to the model it writes and the page it draws."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from stream_inspector.detector import Detector
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Calibration
from workers.cli import app
from workers.offline.images.datasets import good_files
from workers.offline.model_folder import read_model


def calibrate(model: Path, *arguments: object) -> Result:
    flags = ("calibrate", "--model", model, *arguments)
    return CliRunner().invoke(app, [str(flag) for flag in flags])


def calibration(model: Path) -> Calibration:
    return read_model(model).calibrations["flanges"]


@pytest.mark.slow
def test_another_budget_sets_other_thresholds_and_trains_nothing(
    tiny_model: Model, model_folder: Path, further: Path
) -> None:
    result = calibrate(model_folder, "--good", further, "--false-reject", "0.2")

    assert result.exit_code == 0, result.output
    made = calibration(model_folder)
    assert (made.n_images, made.budget.image_false_reject) == (12, 0.2)
    assert made.image_threshold == made.image_scores[10]  # ceil(13 * 0.8) = 11th of 12
    assert made.id != tiny_model.calibrations["flanges"].id
    tensors = read_model(model_folder).tensors
    measured = ("self_test", "eight_bits")  # by calibration, with its images
    trained = {
        n: each for n, each in tiny_model.tensors.items() if not any(m in n for m in measured)
    }
    assert all(np.array_equal(each, tensors[name]) for name, each in trained.items())


@pytest.mark.slow
def test_scores_are_the_same_each_time(model_folder: Path, further: Path) -> None:
    calibrate(model_folder, "--good", further)
    first = calibration(model_folder)
    calibrate(model_folder, "--good", further)

    assert calibration(model_folder) == first


def test_images_that_made_the_model_set_no_thresholds(
    model_folder: Path, flanges: Path, further: Path, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(further, mixed)
    files = good_files(flanges)
    for number, path in enumerate((files.train[0], files.select[0], files.calibrate[0])):
        shutil.copy(path, mixed / f"renamed-{number}.png")

    result = calibrate(model_folder, "--good", mixed)

    assert result.exit_code == 65
    assert "3 of these images trained or normalised the model" in result.stderr


@pytest.mark.slow
def test_a_copy_counts_once(
    model_folder: Path, flanges: Path, further: Path, tmp_path: Path
) -> None:
    doubled = tmp_path / "doubled"
    shutil.copytree(further, doubled)
    shutil.copy(further / "000.png", doubled / "copy.png")
    held = good_files(flanges).calibrate[0]
    shutil.copy(held, doubled / "held.png")

    result = calibrate(model_folder, "--data", flanges, "--good", doubled)

    assert result.exit_code == 0, result.output
    files = good_files(flanges)  # all of which the model was fitted to: they are cross-fitted
    own = len(files.train) + len(files.select) + len(files.calibrate)
    assert calibration(model_folder).n_images == 12 + own
    assert calibration(model_folder).folds == 10


def test_a_folder_that_has_changed_is_refused(
    model_folder: Path, flanges: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(flanges, changed)
    (changed / "train/good/000.png").unlink()

    result = calibrate(model_folder, "--data", changed)

    assert result.exit_code == 65
    assert "no longer, what this model was trained on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 78, "--good"),
        (("--good", ".", "--folds", "5"), 78, "--folds: give --data"),
        (("--data", ".", "--folds", "1"), 78, "one fold leaves nothing"),
        (("--good", ".", "--target-pro", "0.9"), 78, "--target-pro: give --defects"),
        (("--good", ".", "--false-reject", "2"), 78, "budget.image_false_reject"),
        (("--good", ".", "--false-reject", "none", "--pixel-rate", "none"), 78, "or both"),
    ],
)
def test_what_makes_no_sense_is_said(
    model_folder: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    result = calibrate(model_folder, *arguments)

    assert result.exit_code == status
    assert words in result.stderr


@pytest.mark.slow
def test_strict_counts_the_missing_images_and_leaves_the_model_alone(
    tiny_model: Model, model_folder: Path, further: Path
) -> None:
    result = calibrate(model_folder, "--good", further, "--strict", "--confidence", "0.9")

    assert result.exit_code == 65
    assert "5.0% false rejects at 90% needs 45" in result.stderr
    assert "33 are missing" in result.stderr
    assert read_model(model_folder).version == tiny_model.version


@pytest.mark.slow
def test_either_share_may_be_left_out(model_folder: Path, further: Path) -> None:
    calibrate(model_folder, "--good", further, "--false-reject", "none", "--pixel-rate", "0.01")
    assert calibration(model_folder).budget.image_false_reject is None
    assert calibration(model_folder).image_threshold == calibration(model_folder).image_scores[-1]

    calibrate(model_folder, "--good", further, "--pixel-rate", "none")
    assert calibration(model_folder).budget.pixel_false_positive is None


@pytest.mark.slow
def test_a_categorys_file_has_its_own_budget_and_a_flag_wins(
    model_folder: Path, further: Path, tmp_path: Path
) -> None:
    (tmp_path / "flanges.yaml").write_text(
        "budget: {image_false_reject: 0.3, pixel_false_positive: none, confidence: 0.5}"
    )
    configured = ("--good", further, "--categories", tmp_path)

    calibrate(model_folder, *configured)
    own = calibration(model_folder).budget
    calibrate(model_folder, *configured, "--false-reject", "0.2", "--set", "budget.confidence=0.8")
    flagged = calibration(model_folder).budget

    assert (own.image_false_reject, own.pixel_false_positive, own.confidence) == (0.3, None, 0.5)
    assert (flagged.image_false_reject, flagged.confidence) == (0.2, 0.8)
    assert flagged.pixel_false_positive is None


@pytest.mark.slow
def test_a_strict_categorys_file_refuses(model_folder: Path, further: Path, tmp_path: Path) -> None:
    (tmp_path / "flanges.yaml").write_text("budget: {strict: true}")

    result = calibrate(model_folder, "--good", further, "--categories", tmp_path)

    assert result.exit_code == 65
    assert "are missing" in result.stderr


@pytest.mark.slow
def test_folds_use_all_good_images_and_say_that_they_are_approximate(
    model_folder: Path, flanges: Path, further: Path
) -> None:
    result = calibrate(model_folder, "--data", flanges, "--good", further, "--folds", "3")

    assert result.exit_code == 0, result.output
    made = calibration(model_folder)
    assert (made.n_images, made.folds) == (30 + 12, 3)
    assert "Approximate: cross-fitted in 3 folds" in made.promise
    Detector(read_model(model_folder), engine="torch").self_test()  # not the folds' statistics
    refused = calibrate(model_folder, "--data", flanges, "--folds", "3", "--strict")
    assert (refused.exit_code, "certify nothing" in refused.stderr) == (65, True)


@pytest.mark.slow
def test_labelled_defects_are_measured_and_kept(
    model_folder: Path, further: Path, flanges: Path, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "thresholds.html"

    result = calibrate(*(model_folder, "--good", further, "--defects", flanges, "--report", page))

    assert result.exit_code == 0, result.output
    check = calibration(model_folder).defects
    assert check is not None
    assert (check.images, check.synthetic) == (1, False)
    assert check.false_rejects is not None
    assert "Of 1 defective images" in result.output
    text = page.read_text()
    assert calibration(model_folder).id in text
    assert "painted defects: relative only" not in text  # known ones are drawn
    assert "stain/0.png" in text if check.escape_rate.value else "Defects that pass" not in text


@pytest.mark.slow
def test_the_target_chooses_the_pixel_rate(
    model_folder: Path, further: Path, flanges: Path
) -> None:
    result = calibrate(
        *(model_folder, "--good", further, "--defects", flanges, "--target-pro", "0.5")
    )

    assert result.exit_code == 0, result.output
    check = calibration(model_folder).defects
    assert check is not None
    assert check.pro is not None
    assert check.pro.value >= 0.5
    assert check.target_pro == 0.5
    assert "optimistic" in result.output


@pytest.mark.slow
def test_a_target_beyond_the_stated_rate_is_refused_with_the_best(
    model_folder: Path, further: Path, flanges: Path, tmp_path: Path
) -> None:
    invisible = tmp_path / "invisible"  # what the mask marks cannot be seen
    for part, kind in (("test", "good"), ("test", "stain"), ("ground_truth", "stain")):
        shutil.copytree(flanges / part / kind, invisible / part / kind)
    shutil.copy(flanges / "test/good/0.png", invisible / "test/stain/0.png")
    target = ("--defects", invisible, "--target-pro", "0.9", "--pixel-rate", "0.00001")

    result = calibrate(model_folder, "--good", further, *target)

    assert result.exit_code == 65
    assert re.search(r"PRO of 0.9 needs .* reach \d\.\d{3}", result.stderr.replace("\n", " "))


@pytest.mark.slow
def test_the_page_shows_the_nearest_images_and_painted_defects(
    model_folder: Path, further: Path, tmp_path: Path
) -> None:
    page = tmp_path / "thresholds.html"

    result = calibrate(model_folder, "--good", further, "--report", page)

    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "painted defects: relative only" in text
    assert calibration(model_folder).defects is None
    assert text.count("<article") == 8
    scores = np.array(calibration(model_folder).image_scores)
    nearest = np.sort(np.abs(scores - calibration(model_folder).image_threshold))[:8]
    shown = [float(s) for s in re.findall(r'class="where">score (\S+),', text)]
    told = np.sort(np.abs(np.array(shown) - calibration(model_folder).image_threshold))
    assert told == pytest.approx(nearest, abs=0.02)
    assert set(re.findall(r'src="([^":]+)', text)) <= {"data"}
    whole = re.findall(r'href="([^"]+)"', text)
    assert len(whole) == 2 * 8
    assert all((page.parent / each).is_file() for each in whole)
    assert calibration(model_folder).promise.split(".")[0] in text
