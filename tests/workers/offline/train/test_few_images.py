"""`train` with a handful of images, and `train --more`, from the flags to the model's lineage."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from stream_inspector.engine.eight_bits import knows_eight_bits
from stream_inspector.model.version import Model
from stream_inspector.synthetic import render
from workers.cli import app
from workers.offline.model_folder import read_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("few-images")]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def pictures(folder: Path, first: int, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        Image.fromarray(render(index, 0, None, (128, 128)).image).save(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category whose pictures are small, so that nothing takes long."""
    folder = tmp_path_factory.mktemp("views")
    (folder / "flange.yaml").write_text("view: {input_size: {width: 128, height: 128}}\n")
    return folder


@pytest.fixture(scope="module")
def first(views: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and a model of them."""
    folder = tmp_path_factory.mktemp("few")
    pictures(folder / "photos", 0, 6)
    trained = train(views, "--data", folder / "photos", "--out", folder / "model")
    assert trained.exit_code == 0, trained.output
    assert "Provisional: of 6 good images" in trained.output.replace("\n", " ")
    return folder


@pytest.fixture
def few(first: Path, tmp_path: Path) -> Path:
    shutil.copytree(first, tmp_path / "few")
    return tmp_path / "few"


def train(views: Path, *arguments: object) -> Result:
    return run("train", "--category", "flange", "--categories", views, *arguments)


def model(folder: Path) -> Model:
    return read_model(folder / "model")


def test_a_few_images_make_a_provisional_model_without_being_asked(few: Path) -> None:
    made = model(few)

    assert made.provisional
    assert made.preset.name == "few-images"
    assert made.calibrations["flange"].n_images == 6
    assert not knows_eight_bits(made, "flange")


def test_more_images_join_and_the_lineage_is_kept(few: Path, views: Path, tmp_path: Path) -> None:
    before = model(few)
    pictures(tmp_path / "more", 50, 3)
    shutil.copy(few / "photos/0.png", tmp_path / "more/copy.png")

    result = train(views, "--more", tmp_path / "more", "--out", few / "model")

    assert result.exit_code == 0, result.output
    grown = model(few)
    assert f"3 images join those of {before.version}" in result.output.replace("\n", " ")
    assert grown.calibrations["flange"].n_images == 9
    told = ("parent", "added_images", "grown")
    assert [grown.provenance[key] for key in told] == [before.version, 3, 1]
    merged = pictures(tmp_path / "merged", 0, 6)
    for path in (tmp_path / "more").glob("5*.png"):
        shutil.copy(path, merged)
    again = run("calibrate", "--model", few / "model", "--data", merged, "--false-reject", "0.3")
    assert again.exit_code == 0, again.output
    assert model(few).calibrations["flange"].budget.image_false_reject == 0.3
    assert "Provisional: " in again.output
    assert "networks that may have" not in again.output.replace("\n", " ")


def test_images_that_it_knows_are_nothing_more(few: Path, views: Path) -> None:
    result = train(views, "--more", few / "photos", "--out", few / "model")

    assert result.exit_code == 65
    assert "knows all 6 of these images already" in result.stderr


def test_of_many_images_it_takes_what_it_keeps(
    views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.offline.train.few.MOST", 6)
    pictures(tmp_path / "photos", 0, 9)
    how = (
        "--preset",
        "few-images",
        "--out",
        tmp_path / "model",
        "--set",
        "trainer.eight_bits=true",
    )
    result = train(views, "--data", tmp_path / "photos", *how)

    assert result.exit_code == 0, result.output
    assert model(tmp_path).calibrations["flange"].n_images == 6
    assert knows_eight_bits(model(tmp_path), "flange")
    assert "6 of 9 good images were used" in result.stderr.replace("\n", " ")


def test_more_than_a_provisional_model_keeps_asks_for_a_whole_training(
    few: Path, views: Path, tmp_path: Path
) -> None:
    before = model(few).version
    result = train(views, "--more", pictures(tmp_path / "more", 50, 60), "--out", few / "model")

    assert result.exit_code == 65
    assert "enough for a whole training" in result.stderr.replace("\n", " ")
    assert model(few).version == before


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--preset", "feature-fast", "--data", "PHOTOS"), 65, "at least 24 are needed"),
        (("--strict", "--data", "PHOTOS"), 65, "at least 24 are needed"),
        (("--preset", "few-images", "--synthetic", "30"), 78, "few-images: give one --data"),
        (("--more", "PHOTOS", "--unified"), 78, "--more: adds to a model of one category"),
        (("--more", "PHOTOS", "--strict", "--out", "MODEL"), 78, "not --strict"),
    ],
)
def test_what_makes_no_sense_is_said(
    few: Path, views: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    folders = {"PHOTOS": few / "photos", "MODEL": few / "model"}
    result = train(views, *(folders.get(each, each) for each in arguments))

    assert result.exit_code == status, result.output
    assert words in result.stderr.replace("\n", " ")


def test_four_images_are_too_few(views: Path, tmp_path: Path) -> None:
    result = train(views, "--data", pictures(tmp_path / "four", 0, 4), "--out", tmp_path / "m")

    assert result.exit_code == 65
    assert "add 1" in result.stderr


def test_people_see_that_it_is_provisional(few: Path, tmp_path: Path) -> None:
    data = tmp_path / "flange"
    pictures(data / "test/good", 100, 2)
    for path in pictures(data / "test/bent", 200, 2).iterdir():
        with Image.open(path) as picture:
            picture.paste((255, 0, 255), (40, 40, 80, 80))
            picture.save(path)
    store = ("--store", tmp_path / "store")

    evaluated = run(
        *("evaluate", "--model", few / "model", "--data", data, "--engine", "torch"),
        *("--html", tmp_path / "look"),
    )
    inspected = run("inspect", "--model", few / "model", data / "test/bent", "--engine", "torch")
    pushed = run("model", "push", few / "model", *store)
    run("model", "activate", "flange", model(few).version, "--why", "test", *store)
    overview, listed = run("model", "list", *store), run("model", "list", "flange", *store)
    shown = run("model", "show", model(few).version, *store)

    assert evaluated.exit_code == 0, evaluated.output
    assert "a provisional model" in evaluated.output
    assert "Provisional." in (tmp_path / "look/category-flange.html").read_text()
    assert "a provisional model" in inspected.stderr
    assert inspected.exit_code == 0, inspected.output
    assert inspected.stdout.count("defect") == 2
    assert pushed.exit_code == 0, pushed.output
    assert "(provisional)" in overview.output
    assert "few-images (provisional)" in listed.output
    assert "few-images (provisional)" in shown.output


def test_a_trained_model_grows_with_its_networks_as_they_are(
    tiny_model: Model, model_folder: Path, flanges: Path, further: Path
) -> None:
    alone = run("train", "--more", further, "--out", model_folder)
    grown = run("train", "--more", further, "--data", flanges, "--out", model_folder)

    assert alone.exit_code == 78
    assert "give the folder that it was trained on" in alone.stderr.replace("\n", " ")
    assert grown.exit_code == 0, grown.output
    made = read_model(model_folder)
    assert not made.provisional
    assert made.calibrations["flanges"].n_images == 30 + 12
    assert made.provenance["parent"] == tiny_model.version
    networks = [name for name in made.tensors if name.startswith(("network.", "pixel."))]
    assert networks
    assert all(bool((made.tensors[n] == tiny_model.tensors[n]).all()) for n in networks)
    changed = (name for name in made.tensors if "mixture" in name)
    assert any((made.tensors[name] != tiny_model.tensors[name]).any() for name in changed)
