import json

import pytest
import torch
from parts import Remembering, Small, Untraceable, part_of

from stream_inspector.engine import choose as choosing
from stream_inspector.engine import graph as graphs
from stream_inspector.engine.choose import choose
from stream_inspector.engine.part import disagreement

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def only_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "installed", lambda: ["onnxruntime"])


def _take(monkeypatch: pytest.MonkeyPatch, *milliseconds: float) -> None:
    took = iter(milliseconds)
    monkeypatch.setattr(choosing, "_milliseconds", lambda *_: next(took))


def _forbid(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(module, name, refuse)


@pytest.mark.slow
def test_the_fastest_engine_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    _take(monkeypatch, 9.0, 2.0, 2.0, 9.0)
    part = part_of(Small())
    assert [choose([part], "auto", CPU, 1).name for _ in range(2)] == ["onnxruntime", "torch"]


@pytest.mark.parametrize("wanted", ["auto", "onnxruntime"])
@pytest.mark.slow
def test_an_engine_that_differs_is_not_used(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "disagreement", lambda *_: 0.1)
    chosen = choose([part_of(Small())], wanted, CPU, 1)
    assert chosen.name == "torch"
    assert "onnxruntime differs by 1.0e-01 deviations" in chosen.reason


@pytest.mark.slow
def test_what_cannot_be_exported_runs_in_torch() -> None:
    chosen = choose([part_of(Untraceable())], "auto", CPU, 1)
    assert chosen.name == "torch"
    assert "onnxruntime failed" in chosen.reason


@pytest.mark.slow
def test_an_engine_that_was_asked_for_does_not_fail_silently() -> None:
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        choose([part_of(Untraceable())], "onnxruntime", CPU, 1)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="'tensorrt' is none of auto, torch, onnxruntime"):
        choose([], "tensorrt", CPU, None)


@pytest.mark.slow
def test_a_choice_is_remembered_for_other_weights_of_the_architecture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = Remembering()
    _take(monkeypatch, 9.0, 2.0)
    first = choose([part_of(Small())], "auto", CPU, 1, cache)
    assert cache.kinds() == ["choice", "graph"]
    _forbid(monkeypatch, choosing, "_milliseconds")
    _forbid(monkeypatch, graphs, "export")

    other = part_of(Small(seed=1))
    again = choose([other], "auto", CPU, 1, cache)

    assert (first.reason, again.reason) == ("fastest", "fastest before")
    assert again.name == "onnxruntime"
    assert again.milliseconds == {"torch": 9.0, "onnxruntime": 2.0}
    expected = other.module(*other.example)[0]
    torch.testing.assert_close(again.runners["net"](*other.example)[0], expected)


@pytest.mark.slow
def test_a_choice_holds_for_its_threads_and_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Remembering()
    _take(monkeypatch, 1.0, 2.0, 2.0, 1.0, 2.0, 1.0)
    part = part_of(Small())
    chosen = [
        choose([part], "auto", CPU, 1, cache).name,
        choose([part], "auto", CPU, 2, cache).name,
        choose([part_of(Small(), "other")], "auto", CPU, 1, cache).name,
        choose([part], "auto", CPU, 1, cache).name,
    ]
    assert chosen == ["torch", "onnxruntime", "onnxruntime", "torch"]


@pytest.mark.slow
def test_a_stated_engine_wins_over_a_remembered_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, part = Remembering(), part_of(Small())
    _take(monkeypatch, 1.0, 2.0)
    assert choose([part], "auto", CPU, 1, cache).name == "torch"
    assert choose([part], "onnxruntime", CPU, 1, cache).name == "onnxruntime"


@pytest.mark.parametrize("damage", ["other code", "no graph", "no choice"])
@pytest.mark.slow
def test_what_is_kept_is_replaced_when_it_does_not_serve(
    damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, part = Remembering(), part_of(Small())
    _take(monkeypatch, 9.0, 2.0, 9.0, 2.0)
    choose([part], "auto", CPU, 1, cache)
    (graph_key,) = (key for key in cache if key.startswith("graph"))
    (choice_key,) = (key for key in cache if key.startswith("choice"))
    good = cache[graph_key]
    if damage == "other code":
        doubled = part_of(Small())
        doubled.module.forward = lambda x, t: Small.forward(doubled.module, x, 2 * t)
        cache[graph_key] = graphs.emptied(graphs.export(doubled), doubled.module)
    elif damage == "no graph":
        cache[graph_key] = b"\xff\xff"
    else:
        cache[choice_key] = b"[]"

    again = choose([part], "auto", CPU, 1, cache)

    assert again.name == "onnxruntime"
    assert disagreement(again.runners["net"], part.module, part.example) < 1e-5
    assert len(cache[graph_key]) == len(good)
    assert json.loads(cache[choice_key])["engine"] == "onnxruntime"


def test_disagreement_is_in_deviations_of_the_output() -> None:
    x = torch.tensor([0.0, 2.0, 4.0])
    gap = disagreement(lambda v: (v,), lambda v: (v + 0.5,), (x,))
    assert gap == pytest.approx(0.25)
