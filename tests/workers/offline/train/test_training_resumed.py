"""Stopped in the middle, a training goes on and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_inspector.image.pictures import encode_png
from stream_inspector.synthetic import render
from workers.offline.model_folder import read_files
from workers.offline.train import checkpoint
from workers.offline.train import log as training_log

SCRIPT = Path(__file__).with_name("training_process.py")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """30 small good parts."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for n in range(30):
        (folder / f"{n}.png").write_bytes(encode_png(render(n, 0, size=(64, 64)).image))
    return folder


def start(parts: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, SCRIPT, "train", "--data", parts, "--out", out]
    command += ["--iterations", "40", "--checkpoint-every", "5", "--false-reject", "0.4"]
    command += ["--set", "budget.confidence=0.5"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return said


def steps_done(out: Path) -> int:
    log = out / training_log.FILE
    return len(log.read_text().splitlines()) - 1 if log.exists() else 0


def stop_after(process: subprocess.Popen[str], out: Path, steps: int, how: signal.Signals) -> None:
    deadline = time.monotonic() + 240
    while steps_done(out) < steps:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate()


@pytest.mark.integration
@pytest.mark.slow
def test_a_killed_and_an_interrupted_training_end_with_the_same_bytes(
    parts: Path, tmp_path: Path
) -> None:
    finish(start(parts, tmp_path / "whole"))

    stop_after(start(parts, tmp_path / "killed"), tmp_path / "killed", 12, signal.SIGKILL)
    assert not (tmp_path / "killed/manifest.json").exists()
    assert (tmp_path / "killed" / checkpoint.FILE).exists()
    interrupted = start(parts, tmp_path / "killed")
    stop_after(interrupted, tmp_path / "killed", 19, signal.SIGINT)
    assert interrupted.returncode == 130
    assert steps_done(tmp_path / "killed") >= 19
    said = finish(start(parts, tmp_path / "killed"))

    assert "going on from" in said
    assert read_files(tmp_path / "killed") == read_files(tmp_path / "whole")
    assert steps_done(tmp_path / "killed") == 40
    assert not (tmp_path / "killed" / checkpoint.FILE).exists()
