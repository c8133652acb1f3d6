"""Files of weights: tensors alone are read, and what else there is is refused by name."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from guided_diffusion import Layout, checkpoint
from safetensors.torch import save_file

from stream_inspector.backbones import look_up
from stream_inspector.errors import DataError, WeightsRefused
from stream_inspector.presets import PAPER, with_backbone
from workers.offline.presets import trainers_preset
from workers.offline.pretrained import read_weights, starting_weights
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host import surroundings

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.steps": torch.tensor(3)}
TINY = "test_efficientnet"


def torch_file(path: Path, content: Any = STATE, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def safetensors_file(path: Path) -> Path:
    save_file(STATE, path)
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: torch_file(folder / "weights.pt"),
        lambda folder: torch_file(folder / "weights.pth", _use_new_zipfile_serialization=False),
        lambda folder: safetensors_file(folder / "weights.safetensors"),
    ],
    ids=["torch", "torch of before", "safetensors"],
)
def test_tensors_come_out_as_they_went_in(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    read = read_weights(write(tmp_path), "--init")
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[name], value) for name, value in STATE.items())


def test_tensors_in_mappings_have_joined_names(tmp_path: Path) -> None:
    file = torch_file(tmp_path / "w.pt", {"ema": STATE, "epoch": 3, "hyper": {"lr": 1e-4}})
    assert set(read_weights(file, "--init")) == {"ema.a.weight", "ema.a.steps"}


class Runs:
    """What a pickle could do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("newer", [True, False])
def test_a_file_that_could_run_code_is_refused_and_does_not(tmp_path: Path, newer: bool) -> None:
    touched, file = tmp_path / "touched", tmp_path / "weights.pt"
    torch_file(file, {**STATE, "evil": Runs(touched)}, _use_new_zipfile_serialization=newer)
    with pytest.raises(DataError, match=r"--init .*weights.pt: holds more than tensors"):
        read_weights(file, "--init")
    assert not touched.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.pt", None, "cannot be read: No such file"),
        ("empty.pt", b"", "cannot be read|holds more than tensors"),
        ("text.pt", b"<html>not found</html>", "holds more than tensors|cannot be read"),
        ("cut.safetensors", b"\x08\0\0\0\0\0\0\0{}", "cannot be read"),
        ("passwd.pt", b"root:x:0:0:root:/root:/bin/bash\n", "cannot be read|holds"),
        ("zeros.pt", bytes(4096), "cannot be read|holds"),
        ("list.pt", pickle.dumps([1, 2]), "cannot be read|holds"),
    ],
)
def test_files_of_something_else_are_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"--init .*{name}: ({message})"):
        read_weights(tmp_path / name, "--init")


def test_a_truncated_file_and_one_without_names(tmp_path: Path) -> None:
    file = torch_file(tmp_path / "w.pt")
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"w.pt: (cannot be read|holds more)"):
        read_weights(file, "--init")
    with pytest.raises(DataError, match="holds no tensors by name"):
        read_weights(torch_file(tmp_path / "l.pt", [torch.zeros(2)]), "--init")


# --- what a training begins with


def backbone_file(folder: Path) -> Path:
    file = folder / "tiny.pt"
    torch.save(timm.create_model(TINY).state_dict(), file)
    return file


def test_a_packaged_backbone_needs_and_takes_no_file(tmp_path: Path) -> None:
    preset = trainers_preset(with_backbone(PAPER, look_up("tf_efficientnet_lite0")), settings())
    _, start = starting_weights(preset, settings(), 1, print)
    assert not start.backbone
    assert not start.origin
    with pytest.raises(SettingsError, match=r"trainer.backbone_weights: those of .* in a package"):
        starting_weights(preset, settings(backbone_weights="w.pt"), 1, print)


def settings(**changes: Any) -> TrainerSettings:
    return TrainerSettings.model_validate(changes)


def test_everything_that_is_begun_with_is_told_and_in_the_provenance(tmp_path: Path) -> None:
    told: list[str] = []
    how = settings(backbone=TINY, backbone_weights=str(backbone_file(tmp_path)))
    preset = trainers_preset(PAPER, how)
    _, start = starting_weights(preset, how, 1, told.append)
    assert told == ["tiny.pt: 80 of 88 tensors are the features of test_efficientnet"]
    assert set(start.origin) == {"backbone_weights"}
    small = Layout(16, (1, 2), 1, (2,), 8)
    torch.save(checkpoint(small), tmp_path / "small.pt")
    wrong = how.model_copy(update={"init": tmp_path / "small.pt"})
    with pytest.raises(
        WeightsRefused,
        match=r"--init .*small.pt: it is of another network than 256 "
        r"channels.*256x256_diffusion.pt fits --preset paper.* or leave --init out",
    ):
        starting_weights(preset, wrong, 1, told.append)


def test_the_wrong_weights_of_a_backbone_are_named(tmp_path: Path) -> None:
    how = settings(backbone="test_resnet", backbone_weights=str(backbone_file(tmp_path)))
    with pytest.raises(WeightsRefused, match=r"--backbone-weights .*tiny.pt: these are no weights"):
        starting_weights(trainers_preset(PAPER, how), how, 1, print)


def test_the_hub_is_asked_for_a_backbone_that_no_package_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the hub's own client, from its cache of a machine that was online before."""
    revision = tmp_path / "hub" / "models--timm--test_efficientnet.r160_in1k"
    (revision / "refs").mkdir(parents=True)
    (revision / "refs/main").write_text("abc")
    (revision / "snapshots/abc").mkdir(parents=True)
    state = timm.create_model(TINY).state_dict()
    save_file(state, revision / "snapshots/abc/model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(surroundings, "_ours", set())  # the operator says: no connection
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    told: list[str] = []
    how = settings(backbone=TINY)
    _, start = starting_weights(trainers_preset(PAPER, how), how, 1, told.append)
    assert told == ["Fetching the weights of test_efficientnet from timm's hub ..."]
    assert torch.equal(start.backbone["conv_stem.weight"], state["conv_stem.weight"])

    with pytest.raises(DataError, match=r"tf_efficientnet_b4.aa_in1k cannot be fetched .*FILE"):
        starting_weights(PAPER, settings(), 1, told.append)


@pytest.mark.parametrize("operators", [True, False])
def test_the_hub_is_closed_to_all_else_and_where_the_operator_says_so(
    monkeypatch: pytest.MonkeyPatch, operators: bool
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(surroundings, "_ours", set() if operators else {"HF_HUB_OFFLINE"})
    asked: list[bool] = []

    def offline(*_: Any, **__: Any) -> None:
        asked.append(huggingface_hub.constants.HF_HUB_OFFLINE)
        raise OSError("nobody there")

    monkeypatch.setattr("workers.offline.pretrained.full", offline)
    with pytest.raises(DataError, match=r"from timm's hub \(nobody there\)"):
        starting_weights(PAPER, settings(), 1, print)
    assert asked == [operators]
    assert huggingface_hub.constants.HF_HUB_OFFLINE is True


@pytest.mark.parametrize("name", ["resnet18:a", "resnet18:1,b"])
def test_levels_are_numbers(name: str) -> None:
    with pytest.raises(SettingsError, match="neither NAME nor NAME:LEVELS"):
        trainers_preset(PAPER, settings(backbone=name))
