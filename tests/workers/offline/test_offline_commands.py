from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from stream_inspector.errors import ModelCorrupt
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model
from stream_inspector.synthetic import DEFAULT_SIZE, render
from stream_inspector.threshold.alpha import with_alpha
from workers.cli import app
from workers.offline.calibrate.alpha import with_tuned_alpha
from workers.offline.fit import synthetic_good
from workers.offline.model_folder import MANIFEST, TENSORS, read_model, write_model
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import SettingsError
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_model_is_the_same_after_a_trip_through_its_folder(
    tiny_model: Model, model_folder: Path
) -> None:
    assert read_model(model_folder).version == tiny_model.version
    assert sorted(path.name for path in model_folder.iterdir()) == [MANIFEST, TENSORS]


def test_a_model_knows_the_images_it_was_trained_on(tiny_model: Model) -> None:
    assert len(str(tiny_model.provenance["flanges/source_digest"])) == 64


def test_a_damaged_model_is_named(model_folder: Path) -> None:
    tensors = bytearray((model_folder / TENSORS).read_bytes())
    tensors[-1] ^= 1
    (model_folder / TENSORS).write_bytes(tensors)

    with pytest.raises(ModelCorrupt, match=str(model_folder)):
        read_model(model_folder)


def test_a_folder_without_a_model_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="stream-inspector train"):
        read_model(tmp_path)


@pytest.mark.slow
def test_inspection_shows_verdicts_and_writes_pictures(
    model_folder: Path, flanges: Path, tmp_path: Path
) -> None:
    out = tmp_path / "look"

    result = run(
        *("inspect", flanges / "test/stain", "--model", model_folder, "--out", out),
        *("--engine", "torch", "--no-explain"),
    )

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        *("0-frame.png", "0-heatmap.png", "0-outline.png")
    }


@pytest.mark.slow
def test_alpha_is_tuned_on_labelled_images_and_thresholds_follow(
    tiny_model: Model, model_folder: Path, flanges: Path, further: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned"

    result = run(
        *("calibrate", "--model", model_folder, "--good", further, "--out", out),
        *("--tune-alpha", flanges),
    )

    assert result.exit_code == 0, result.output
    assert "optimistic" in result.output
    tuned = read_model(out)
    alpha = tuned.provenance["flanges/alpha"]
    assert isinstance(alpha, float)
    assert tuned.preset.weights == with_alpha(tiny_model.preset.weights, alpha)
    assert tuned.provenance["flanges/alpha_defects"] == 1
    assert tuned.provenance["flanges/alpha_source"] == str(flanges)
    assert tuned.version != tiny_model.version
    assert tuned.calibrations["flanges"].n_images == 12


def test_alpha_of_a_unified_model_is_not_tuned(tiny_model: Model, flanges: Path) -> None:
    unified = replace(tiny_model, categories=("flanges", "cable"))

    with pytest.raises(SettingsError, match="share their weights"):
        with_tuned_alpha(unified, flanges, TrainerSettings(), Console())


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--data", "nowhere"], 65, "nowhere: no such folder"),
        (["--synthetic", "30"], 78, "--category"),
        (["--category", "nut"], 78, "either --data FOLDER or --synthetic COUNT"),
        (["--category", "nut", "--synthetic", "30", "--preset", "huge"], 78, "'huge'; allowed"),
        (["--data", ".", "--set", "trainer.colour=red"], 78, "trainer.colour: unknown key"),
    ],
)
def test_training_says_what_is_missing(arguments: list[str], status: int, message: str) -> None:
    result = run("train", *arguments)

    assert result.exit_code == status
    assert message in result.stderr


@pytest.mark.slow
def test_versions_are_pushed_listed_and_activated(
    tiny_model: Model, model_folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    other = replace(tiny_model, provenance={**tiny_model.provenance, "note": "another"})
    write_model(other, tmp_path / "other")

    run("model", "push", model_folder, "--activate", "--store", store)
    run("model", "push", tmp_path / "other", "--store", store)
    switched = run(
        *("model", "activate", "flanges", other.version, "--why", "better", "--store", store)
    )
    listed = run("model", "list", "flanges", "--store", store)

    assert switched.exit_code == 0, switched.output
    assert tiny_model.version in listed.output
    assert "better" in listed.output
    assert Registry(open_blobs(str(store))).active("flanges") == other.version


@pytest.mark.slow
def test_a_model_without_thresholds_is_not_pushed(tiny_model: Model, tmp_path: Path) -> None:
    write_model(replace(tiny_model, calibrations={}), tmp_path / "bare")

    result = run("model", "push", tmp_path / "bare", "--store", tmp_path / "store")

    assert result.exit_code == 65
    assert "no thresholds for flanges" in result.stderr


@pytest.mark.slow
def test_an_unknown_version_is_not_activated(model_folder: Path, tmp_path: Path) -> None:
    run("model", "push", model_folder, "--store", tmp_path)

    result = run("model", "activate", "flanges", "ffff", "--store", tmp_path)

    assert result.exit_code == 65
    assert "ffff: no version begins so" in result.stderr


@pytest.mark.slow
def test_rendered_good_images_are_split_like_files() -> None:
    good = synthetic_good(20, 0, View((32, 32)))

    assert (len(good.train), len(good.select), len(good.calibrate), len(good)) == (16, 2, 2, 20)


@pytest.mark.slow
def test_rendered_training_frames_are_none_that_a_camera_shows() -> None:
    good = synthetic_good(20, 0, View(DEFAULT_SIZE))
    shown = {render(index, 0).image.tobytes() for index in range(20)}

    assert not any(image.tobytes() in shown for image in good.train)


def test_samples_are_drawn_into_a_picture(model_folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.png"

    result = run(
        *("sample", "--model", model_folder, "--count", "2", "--steps", "4", "--out", sheet)
    )

    assert result.exit_code == 0, result.output
    with PIL.Image.open(sheet) as picture:
        assert picture.width > picture.height >= 64
