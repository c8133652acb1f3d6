"""`calibrate --reviews` and `train --more`: what people judged, and what is refused of it."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from schemas.documents import samples
from schemas.outcome import Verdict
from schemas.review import Judgement, Review, Sample
from stream_inspector.synthetic import render
from workers.cli import app
from workers.offline.model_folder import read_model
from workers.runtime.datasets.reviewed import BOOK, place_of


@pytest.fixture(scope="module")
def judged(further: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve audited good parts, two stained ones, and a false alarm chosen by its score."""
    folder = tmp_path_factory.mktemp("data") / "flanges" / "reviewed"
    for number, path in enumerate(sorted(further.iterdir())):
        put(folder, number, Verdict.PASS, Judgement.RIGHT, path, sample=Sample.AUDIT)
    for number in (20, 21):
        stained = folder.parent / f"{number}.png"
        folder.mkdir(exist_ok=True)
        Image.fromarray(render(500 + number, 0, "stain").image).save(stained)
        put(folder, number, Verdict.DEFECT, Judgement.RIGHT, stained, kind="stain")
    odd = folder.parent / "odd.png"
    Image.fromarray(render(600, 0, "dent").image).save(odd)
    put(folder, 30, Verdict.DEFECT, Judgement.FALSE_ALARM, odd)
    return folder


def put(
    folder: Path,
    number: int,
    verdict: Verdict,
    judgement: Judgement,
    picture: Path,
    **changes: object,
) -> None:
    outcome = samples.OUTCOME.model_copy(
        update={"outcome_id": f"{number:032x}", "verdict": verdict}
    )
    at = samples.DECIDED + timedelta(hours=number)
    review = Review.of(outcome, judgement, by="ada", at=at, **changes)  # type: ignore[arg-type]
    name = f"{place_of(review)}/{number:03}.png"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(picture, folder / name)
    line = {"file": name, "sha256": "0", "review": review.model_dump(mode="json")}
    with (folder / BOOK).open("a") as book:
        book.write(json.dumps(line) + "\n")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.mark.slow
def test_the_random_sample_sets_thresholds_and_confirmed_defects_are_known_bad(
    model_folder: Path, judged: Path
) -> None:
    result = run("calibrate", "--model", model_folder, "--reviews", judged)
    assert result.exit_code == 0, result.output
    made = read_model(model_folder)
    calibration = made.calibrations["flanges"]
    assert calibration.n_images == 12
    assert calibration.defects is not None
    assert [(each.kind, each.images) for each in calibration.defects.kinds] == [("stain", 2)]
    assert "1 good parts that were looked at because of their score" in result.output
    assert made.provenance["flanges/reviews"] == 14  # the sample and the defects, not the other
    assert made.provenance["flanges/reviews_from"] == "2026-03-14T09:26:53Z"

    again = run("calibrate", "--model", model_folder, "--good", judged / "audit")
    assert again.exit_code == 0, again.output
    assert read_model(model_folder).provenance["flanges/reviews"] == 12  # of the new thresholds


def test_what_was_chosen_by_its_score_sets_no_threshold(model_folder: Path, judged: Path) -> None:
    result = run("calibrate", "--model", model_folder, "--good", judged / "chosen")
    assert result.exit_code == 65
    assert "because of their score" in result.stderr


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--good", "x"], "--reviews and --good: give one of them"),
        ([], "has no reviews.jsonl"),
    ],
)
def test_what_makes_no_sense_is_said(
    model_folder: Path, further: Path, flags: list[str], complaint: str
) -> None:
    result = run("calibrate", "--model", model_folder, "--reviews", further, *flags)
    assert result.exit_code == 78
    assert complaint in " ".join(result.stderr.split())


@pytest.mark.slow
def test_a_model_grows_by_the_random_sample_and_says_which_reviews(
    model_folder: Path, flanges: Path, judged: Path
) -> None:
    flags = ("--data", flanges, "--out", model_folder, "--category", "flanges")
    result = run("train", "--more", judged, *flags)
    assert result.exit_code == 0, result.output
    made = read_model(model_folder)
    assert made.provenance["added_images"] == 12
    assert made.provenance["flanges/reviews"] == 12
    assert len(str(made.provenance["flanges/reviews_digest"])) == 16
