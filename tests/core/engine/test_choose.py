from dataclasses import replace

import pytest
from core.conftest import tiny_feature_preset, tiny_pixel_preset

from stream_inspector.engine import choose as choosing
from stream_inspector.engine.choose import choose, open_scorer
from stream_inspector.errors import EngineMissing
from stream_inspector.model.version import Model
from stream_inspector.presets import B4, PER_IMAGE, Preset, with_backbone

MODEL = Model(("disc",), tiny_pixel_preset(), {}, {})


@pytest.mark.parametrize(
    ("wanted", "device", "chosen"),
    [
        ("auto", "cpu", "onnxruntime"),
        ("auto", "cuda:0", "torch"),
        ("torch", "cpu", "torch"),
        ("openvino", "cpu", "openvino"),
        ("onnxruntime", "cuda", "torch"),
    ],
)
def test_the_engine_follows_from_setting_and_device(wanted: str, device: str, chosen: str) -> None:
    assert choose(MODEL, wanted, device).name == chosen


def _other_chain(preset: Preset) -> Preset:
    return replace(preset, pixel=replace(preset.pixel, score_chain=250))


@pytest.mark.parametrize(
    ("preset", "reason"),
    [
        (with_backbone(tiny_feature_preset(), B4), r"backbone tf_efficientnet_b4\.aa_in1k"),
        (replace(tiny_pixel_preset(), normalisation=PER_IMAGE), "normalised or scored"),
        (_other_chain(tiny_pixel_preset()), "another chain"),
    ],
)
def test_what_no_graph_can_say_runs_in_pytorch(
    preset: Preset, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(MODEL, preset=preset)
    for wanted in ("auto", "onnxruntime"):
        found = choose(model, wanted, "cpu")
        assert found.name == "torch"
        assert "no graph can be written" in found.reason
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(EngineMissing, match=rf"needs PyTorch \(.*{reason}.*install the extra"):
        open_scorer(model, "auto", "cpu", None)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="'tensorrt' is none of auto, torch, onnxruntime"):
        choose(MODEL, "tensorrt", "cpu")


def test_without_another_engine_it_is_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "installed", list)
    assert choose(MODEL, "auto", "cpu").name == "torch"


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(EngineMissing, match="engine openvino: it is not installed"):
        choosing.SESSIONS["openvino"](b"", 1)
