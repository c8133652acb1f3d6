"""The paper's row, made small: from files of weights to verdicts of a worker, by the commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from core.conftest import good_images
from guided_diffusion import predict
from paper_row import AUTHORS, BACKBONE, CHANNELS, authors_file, backbone_file, small_paper
from typer.testing import CliRunner

from schemas.frame import Frame
from stream_inspector.diffusion.schedule import linear_schedule
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.assembly import unpack_network
from stream_inspector.verdict import Image
from workers.cli import app
from workers.offline.model_folder import read_files, read_model
from workers.offline.train import run as training
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.detectors.settings import ModelsSection


def scratched(image: Image) -> Image:
    damaged = image.copy()
    damaged[24:40, 8:56] = np.random.default_rng(0).integers(0, 255, (16, 48, 3))
    return damaged


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A category in MVTec's layout."""
    root = tmp_path / "bolts"
    kinds = {
        "train/good": good_images(30, 0),
        "test/good": good_images(6, 1),
        "test/scratch": [scratched(image) for image in good_images(6, 2)],
        "ground_truth/scratch": [_mask()] * 6,
    }
    for folder, images in kinds.items():
        (root / folder).mkdir(parents=True)
        ending = "_mask.png" if folder.startswith("ground") else ".png"
        for n, image in enumerate(images):
            (root / folder / f"{n:03}{ending}").write_bytes(encode_png(image))
    return root


def _mask() -> Image:
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[24:40, 8:56] = 255
    return mask


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setattr(training, "find_preset", lambda _: small_paper())
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return command


@pytest.mark.slow
def test_the_papers_row_goes_from_files_of_weights_to_a_workers_verdicts(
    run: Callable[..., Result],
    data: Path,
    tmp_path: Path,
    stage: Any,
    make_frame: Callable[..., Frame],
) -> None:
    out = tmp_path / "runs/bolts"
    train = ("train", "--preset", "paper", "--data", data, "--backbone", BACKBONE)
    given = ("--backbone-weights", backbone_file(tmp_path), "--init", authors_file(tmp_path))
    loose = ("--false-reject", "0.2", "--set", "budget.confidence=0.5")

    trained = run(*train, *given, "--init-label", "3", *loose)
    assert trained.exit_code == 0, trained.output
    assert "backbone.pth: 80 of 88 tensors are the features of test_efficientnet" in trained.output
    assert "ema_0.997_010000.pt: taken: " in trained.output
    model = read_model(out)
    assert model.preset.name == "paper"
    assert model.preset.pixel.network.feature_early == 1
    assert model.preset.pixel.network.feature_channels == CHANNELS
    assert {"init", "backbone_weights"} <= model.provenance.keys()
    assert model.tensors["bolts/normalise.kl.5.mean"].shape == (64, 64)
    assert model.tensors["bolts/normalise.features.mean"].shape == (32, 32)

    again = run("calibrate", "--model", out, "--data", data, *loose)
    assert again.exit_code == 0, again.output
    judged = run("evaluate", "--model", out, "--data", data, "--engine", "torch")
    assert judged.exit_code == 0, judged.output
    picture = data / "test/scratch/000.png"
    seen = run("inspect", picture, "--model", out, "--out", tmp_path / "seen", "--engine", "torch")
    assert seen.exit_code == 0, seen.output
    pushed = run("model", "push", out, "--activate", "--store", tmp_path / "store")
    assert pushed.exit_code == 0, pushed.output

    files, version = read_files(out), read_model(out).version
    stage.registry.push(("bolts",), version, files.manifest, files.tensors)
    stage.registry.activate("bolts", version, by="test", why="test")
    stage.start(ModelLoader(ModelsSection(engine="torch")))
    stage.send(make_frame(picture.read_bytes(), category="bolts"))
    [outcome] = stage.outcomes_of(1)
    assert (outcome.verdict, outcome.model_version) == ("defect", version)


@pytest.mark.slow
def test_no_iterations_leave_the_authors_network_as_it_is(
    run: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    file = authors_file(tmp_path)
    train = ("train", "--preset", "paper", "--data", data, "--iterations", 0, "--init", file)
    loose = ("--false-reject", "0.2", "--set", "budget.confidence=0.5")
    given = ("--backbone", BACKBONE, "--backbone-weights", backbone_file(tmp_path))
    trained = run(*train, *given, "--init-label", 3, *loose)
    assert trained.exit_code == 0, trained.output

    model = read_model(tmp_path / "runs/bolts")
    network = unpack_network("network", model.preset.pixel, model.tensors)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([len(linear_schedule()) // 5])
    with torch.no_grad():
        raw, features = network(x, t)
    state = torch.load(file, weights_only=True)
    expected, rebuilt = predict(AUTHORS, state, x, t, torch.tensor([3]))
    assert features is not None
    assert rebuilt is not None
    torch.testing.assert_close(raw, expected, rtol=0.02, atol=0.02)  # it travels in half precision
    torch.testing.assert_close(features, rebuilt, rtol=0.02, atol=0.02)
