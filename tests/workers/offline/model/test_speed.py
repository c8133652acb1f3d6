"""What scores a version fastest is measured at `push`, lies beside it, and is used."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from stream_inspector.engine import measure as measuring
from stream_inspector.engine.choice import Choice
from stream_inspector.engine.eight_bits import RANGES, with_eight_bits
from stream_inspector.errors import ModelCorrupt
from stream_inspector.model.version import Model, save_model
from workers.offline.model.run import Desk
from workers.offline.model.speed import measure_version
from workers.offline.model_folder import write_model
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.detectors.settings import DeviceSection
from workers.runtime.host.machine import machine_kind
from workers.runtime.lifecycle import StopSignal
from workers.runtime.listing import Form
from workers.runtime.registry.choices import note_choice, noted_choice, noted_choices
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs

HERE = "x86_64 avx2, onnxruntime 1.32"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(open_blobs(str(tmp_path / "store")))


def desk(registry: Registry, console: Console) -> Desk:
    return Desk(registry, console, StopSignal(), "store")


def test_push_measures_says_why_and_show_tells(
    registry: Registry,
    tiny_model: Model,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "SIZES", (1, 2))
    write_model(tiny_model, tmp_path / "model")
    operator = desk(registry, Console(width=400))
    operator.push(tmp_path / "model", False, None, "pushed")
    (noted,) = noted_choices(registry, tiny_model.version)
    assert noted["machine"] == machine_kind()
    assert noted["engine"] in {"onnxruntime", "openvino"}
    assert list(noted["batch_ms"]) == ["1", "2"]
    assert f"engine: {noted['engine']}" in capsys.readouterr().out
    assert "ms an image here; " in noted["reason"]
    operator.show(tiny_model.version, Form.TABLE)
    assert machine_kind() in capsys.readouterr().out
    operator.show(tiny_model.version, Form.JSON)
    assert json.loads(capsys.readouterr().out)["engines"] == [noted]


def test_what_cannot_be_measured_is_pushed_all_the_same(
    registry: Registry,
    tiny_model: Model,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> None:
        raise ModelCorrupt("the model lacks the tensor x")

    monkeypatch.setattr("workers.offline.model.speed.measure", broken)
    measure_version(registry, tiny_model, Console(width=400))
    assert "not measured: ModelCorrupt: the model lacks the tensor x" in capsys.readouterr().out
    assert noted_choices(registry, tiny_model.version) == []


def test_each_kind_of_machine_has_its_own_and_others_have_none(registry: Registry) -> None:
    mine, theirs = Choice("openvino", "fast", False, {1: 2.0}), Choice("onnxruntime", "too", True)
    note_choice(registry, "v1", HERE, mine)
    note_choice(registry, "v1", f"{HERE} avx512_vnni", theirs)
    assert noted_choice(registry, "v1", HERE) == mine
    assert noted_choice(registry, "v1", f"{HERE} avx512_vnni") == theirs
    assert noted_choice(registry, "v1", "aarch64 asimddp") is None
    assert noted_choice(registry, "v2", HERE) is None


def test_what_cannot_be_read_is_as_if_nobody_had_measured(registry: Registry) -> None:
    note_choice(registry, "v1", HERE, Choice("openvino", "fast"))
    (name,) = registry.blobs.names("models/v1/engines/")
    registry.blobs.write(name, b'{"engine": 3}')
    assert noted_choice(registry, "v1", HERE) is None


def test_a_worker_loads_what_was_measured(tiny_model: Model) -> None:
    files, asked = save_model(tiny_model), list[str]()

    def measured(version: str) -> Choice:
        asked.append(version)
        return Choice("openvino", "fast", False, {1: 5.0, 2: 6.0})

    load = ModelLoader(DeviceSection(threads=1), measured=measured)
    assert load(files.manifest, files.tensors).engine == "openvino"
    assert asked == [tiny_model.version]
    plain = ModelLoader(DeviceSection(threads=1, engine="onnxruntime"), measured=measured)
    assert plain(files.manifest, files.tensors).engine == "onnxruntime"  # asked for by name


def test_what_fails_the_self_test_here_is_left_for_the_plain_engine(tiny_model: Model) -> None:
    known = with_eight_bits(tiny_model, "flanges", [tiny_model.self_test_image("flanges")])
    ranges = {f"flanges/{RANGES}": np.zeros_like(known.tensors[f"flanges/{RANGES}"])}
    blind = replace(known, tensors={**known.tensors, **ranges})
    files, coarse = save_model(blind), Choice("onnxruntime", "fast", True)
    load = ModelLoader(DeviceSection(threads=1), measured=lambda _: coarse)
    assert load(files.manifest, files.tensors).engine == "onnxruntime"


def test_a_kind_of_machine_is_its_instructions_and_engines(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nflags : fpu avx2 avx512f avx512_vnni sse2\n")
    assert " avx2 avx512f avx512_vnni, onnxruntime 1." in machine_kind(cpuinfo)
    cpuinfo.write_text("Features : fp asimd asimddp i8mm\n")
    assert " asimddp i8mm, onnxruntime 1." in machine_kind(cpuinfo)
    assert "onnxruntime 1." in machine_kind(tmp_path / "none")
