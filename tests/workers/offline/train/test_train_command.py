"""`train`, alone and unified, up to the model store."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stream_inspector.image.pictures import encode_png
from stream_inspector.presets import PIXEL_SMALL, at_size
from stream_inspector.synthetic import render
from workers.cli import app
from workers.offline.model_folder import read_model
from workers.offline.train import checkpoint
from workers.offline.train import run as training
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs

BUDGET = ("--false-reject", "0.4", "--set", "budget.confidence=0.5")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    small = at_size(PIXEL_SMALL, (64, 64))
    network = replace(small.pixel.network, channels=16, head_channels=16)
    tiny = replace(small, pixel=replace(small.pixel, network=network))
    monkeypatch.setattr(training, "find_preset", lambda _: tiny)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products: flanges, and flanges as negatives."""
    root = tmp_path_factory.mktemp("products")
    for category in ("bolts", "nuts"):
        folder = root / category / "train" / "good"
        folder.mkdir(parents=True)
        for n in range(50):
            image = render(n, 0, size=(64, 64)).image
            data = encode_png(image if category == "bolts" else 255 - image)
            (folder / f"{n}.png").write_bytes(data)
    return root


@pytest.mark.slow
def test_a_unified_model_goes_from_folders_to_every_categorys_switchboard(
    root: Path, tmp_path: Path
) -> None:
    out, store, configured = tmp_path / "model", tmp_path / "store", tmp_path / "categories"
    configured.mkdir()
    (configured / "bolts.yaml").write_text("budget: {pixel_false_positive: 0.01}")
    short = ("--data", root, "--out", out, "--iterations", "1", "--categories", configured)

    trained = run("train", "--unified", *short, *BUDGET)

    assert trained.exit_code == 0, trained.output
    model = read_model(out)
    assert model.categories == ("bolts", "nuts")
    assert model.calibrations.keys() == {"bolts", "nuts"}
    assert model.preset.pixel.network.classes == 2
    assert not (out / checkpoint.FILE).exists()
    budgets = {name: each.budget for name, each in model.calibrations.items()}
    assert budgets["bolts"].pixel_false_positive == 0.01
    assert budgets["nuts"].pixel_false_positive == 0.001
    assert budgets["bolts"].image_false_reject == 0.4

    picture = root / "nuts/train/good/0.png"
    unnamed = run("inspect", picture, "--model", out, "--engine", "torch")
    assert unnamed.exit_code == 65
    assert "it knows bolts, nuts" in unnamed.stderr
    named = run("inspect", picture, "--model", out, "--category", "nuts", "--engine", "torch")
    assert named.exit_code == 0, named.output

    data = ("--data", root / "nuts", "--category", "nuts")
    renewed = run("calibrate", "--model", out, *data, "--false-reject", "0.3", *BUDGET[2:])
    assert renewed.exit_code == 0, renewed.output
    again = read_model(out)
    assert again.calibrations["bolts"] == model.calibrations["bolts"]
    assert again.calibrations["nuts"].budget.image_false_reject == 0.3
    wrong = run("calibrate", "--model", out, "--data", root / "nuts", "--category", "bolts")
    assert wrong.exit_code == 65
    assert "is not, or no longer, what this model was trained on" in wrong.stderr

    pushed = run("model", "push", out, "--activate", "--store", store)
    assert pushed.exit_code == 0, pushed.output
    registry = Registry(open_blobs(str(store)))
    assert registry.active("bolts") == registry.active("nuts") == again.version

    (configured / "nuts.yaml").write_text("budget: {strict: true}")
    strict = run("train", "--unified", *short, "--set", "budget.confidence=0.95")
    assert strict.exit_code == 65
    assert "nuts: 5.0% false rejects at 95% needs 59" in strict.stderr


@pytest.mark.slow
def test_images_that_cannot_carry_thresholds_leave_a_model_to_calibrate(
    root: Path, tmp_path: Path
) -> None:
    out, few = tmp_path / "model", tmp_path / "few"
    few.mkdir()
    for n in range(50):
        shutil.copy(root / f"bolts/train/good/{n}.png", few)

    strict = ("--set", "budget.strict=true")
    trained = run("train", "--data", few, "--out", out, "--iterations", "1", *strict)

    assert trained.exit_code == 65
    assert f"stream-inspector calibrate --model {out}" in " ".join(trained.stderr.split())
    assert read_model(out).calibrations == {}


@pytest.mark.slow
def test_a_checkpoint_of_other_images_is_refused_before_training(
    root: Path, tmp_path: Path
) -> None:
    every = ("--iterations", "4", "--checkpoint-every", "2", "--out", tmp_path, *BUDGET)
    (tmp_path / checkpoint.FILE).write_bytes(b"half a file")

    refused = run("train", "--data", root / "bolts", *every)

    assert refused.exit_code == 65
    assert "no readable checkpoint" in refused.stderr
    assert not (tmp_path / "manifest.json").exists()
