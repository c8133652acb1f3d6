import pytest
import torch
from torch import Tensor, nn

from stream_inspector import engine
from stream_inspector.engine import Part, choose, disagreement, onnx_runner, torch_runner

CPU = torch.device("cpu")


class Small(nn.Module):
    """Two outputs, one of which may be missing, like the U-Net."""

    def __init__(self, features: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.features = nn.Conv2d(3, 4, 3, padding=1), features

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        h = self.conv(x) * t[:, None, None, None]
        return h, h.mean(1) if self.features else None


class Untraceable(nn.Module):
    """Decides on values: no exporter can follow."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -x


def _part(module: nn.Module) -> Part:
    return Part("net", module.eval(), (torch.randn(1, 3, 8, 8), torch.full((1,), 5)))


@pytest.fixture(scope="module", params=[True, False])
def exported(request: pytest.FixtureRequest) -> tuple[Part, engine.Runner]:
    part = _part(Small(features=request.param))
    return part, onnx_runner(part, threads=1)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_runtime_agrees_at_every_batch(
    exported: tuple[Part, engine.Runner], batch: int
) -> None:
    part, run = exported
    inputs = (torch.randn(batch, 3, 8, 8), torch.arange(batch) + 1)
    assert disagreement(run, torch_runner(part.module, CPU), inputs) < 1e-5


def test_the_faster_engine_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    took = iter([9.0, 2.0, 2.0, 9.0])
    monkeypatch.setattr(engine, "_milliseconds", lambda *_: next(took))
    part = _part(Small())
    assert [choose([part], "auto", CPU, 1).name for _ in range(2)] == ["onnxruntime", "torch"]


@pytest.mark.parametrize("wanted", ["auto", "onnxruntime"])
def test_an_engine_that_differs_is_not_used(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "disagreement", lambda *_: 0.1)
    chosen = choose([_part(Small())], wanted, CPU, 1)
    assert (chosen.name, chosen.reason) == ("torch", "ONNX Runtime differs by 1.0e-01 deviations")


def test_what_cannot_be_exported_runs_in_torch() -> None:
    chosen = choose([_part(Untraceable())], "auto", CPU, 1)
    assert chosen.name == "torch"
    assert chosen.reason.startswith("export failed")


def test_an_engine_that_was_asked_for_does_not_fail_silently() -> None:
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        choose([_part(Untraceable())], "onnxruntime", CPU, 1)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="'tensorrt' is none of auto, torch, onnxruntime"):
        choose([], "tensorrt", CPU, None)


def test_disagreement_is_in_deviations_of_the_output() -> None:
    x = torch.tensor([0.0, 2.0, 4.0])
    gap = disagreement(lambda v: (v,), lambda v: (v + 0.5,), (x,))
    assert gap == pytest.approx(0.25)
