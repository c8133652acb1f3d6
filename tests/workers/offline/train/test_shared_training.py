"""One model trained by several processes that torchrun starts."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_process import tiny
from typer.testing import CliRunner

from stream_inspector.image.pictures import encode_png
from stream_inspector.synthetic import render
from workers.cli import app
from workers.offline.model_folder import read_model
from workers.offline.settings import TrainerSettings
from workers.offline.train import run as training
from workers.offline.train.together import joined
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal
from workers.runtime.lifecycle import StopSignal

PROCESS = Path(__file__).with_name("training_process.py")
SHORT = ("--iterations", "3", "--false-reject", "0.4", "--set", "budget.confidence=0.5")


@pytest.mark.slow
@pytest.mark.integration
def test_two_processes_have_the_losses_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "products"
    for category in ("bolts", "nuts"):
        folder = root / category / "train" / "good"
        folder.mkdir(parents=True)
        for n in range(26):
            image = render(n, 0, size=(64, 64)).image
            data = encode_png(image if category == "bolts" else 255 - image)
            (folder / f"{n}.png").write_bytes(data)
    given = ["train", "--unified", "--data", str(root), *SHORT, "--out"]
    monkeypatch.setattr(training, "find_preset", tiny)

    alone = CliRunner().invoke(app, [*given, str(tmp_path / "alone")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    two = subprocess.run(
        [*launch, "--nproc-per-node", "2", str(PROCESS), *given, str(tmp_path / "two")],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert alone.exit_code == 0, alone.output
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("training in 2 processes") == 1
    assert two.stdout.count("Model ") == 1  # only the first one says and writes
    expected, found = (_losses(tmp_path / name) for name in ("alone", "two"))
    assert len(expected) == 3
    assert found == pytest.approx(expected, rel=1e-4)
    one, other = (read_model(tmp_path / name) for name in ("alone", "two"))
    for name, tensor in one.tensors.items():
        if name.startswith("network."):
            assert np.abs(other.tensors[name] - tensor).max() < 1e-3, name


def _losses(folder: Path) -> list[float]:
    with (folder / "training.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_a_process_that_nobody_started_with_others_is_alone() -> None:
    how, console, stop = TrainerSettings(), Terminal(), StopSignal()
    with joined(how, console, stop, {"WORLD_SIZE": "1"}) as together:
        assert together.first
        assert (together.how, together.console, together.stop) == (how, console, stop)


@pytest.mark.parametrize("told", [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "two"}])
def test_half_of_what_torchrun_says_is_refused(told: dict[str, str]) -> None:
    entered = joined(TrainerSettings(), Terminal(), StopSignal(), told)
    with pytest.raises(SettingsError, match="torchrun"), entered:
        pass
