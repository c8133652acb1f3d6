import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stream_inspector.errors import DataError
from workers.offline.train.checkpoint import FILE, CheckpointFile

STATE = {"pixels/steps": torch.tensor(3), "pixels/network.a": torch.rand(2, 3)}
IDENTITY = {"seed": 0, "iterations": None, "images": {"bolts": "abc"}, "sizes": (2, 3)}


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "new" / FILE, IDENTITY)
    assert file.load() == {}
    file.save(STATE)
    file.save(STATE)  # replaces
    read = file.load()
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in STATE.items())
    assert [path.name for path in file.path.parent.iterdir()] == [FILE]
    file.remove()
    assert file.load() == {}


def test_another_training_is_refused_and_told_apart(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / FILE, IDENTITY).save(STATE)
    other = {**IDENTITY, "seed": 1, "images": {"bolts": "abd"}}
    with pytest.raises(DataError, match=r"other images, seed 0, now 1.*remove it") as caught:
        CheckpointFile(tmp_path / FILE, other).load()
    assert FILE in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not safetensors at all"])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(DataError, match=r"no readable checkpoint.*remove it"):
        CheckpointFile(tmp_path / FILE, IDENTITY).load()


def test_a_truncated_file_says_what_to_do(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / FILE, IDENTITY)
    file.save(STATE)
    file.path.write_bytes(file.path.read_bytes()[:-4])
    with pytest.raises(DataError, match="no readable checkpoint"):
        file.load()


_SAVING = """
import resource, sys
from pathlib import Path
import torch
from workers.offline.train.checkpoint import CheckpointFile

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB

state = {str(n): torch.ones(4_000_000) for n in range(20)}  # 305 MiB
before = peak()
CheckpointFile(Path(sys.argv[1]) / "checkpoint.safetensors", {}).save(state)
print(peak() - before)
"""


@pytest.mark.integration
def test_saving_holds_no_second_copy(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SAVING, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(run.stdout) < 60
