"""What runs the two networks: PyTorch, or ONNX Runtime where it is faster and agrees.

Exporting takes seconds, so an engine is chosen when a model is loaded, never while frames wait.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

TOLERANCE = 1e-3  # of an output's standard deviation; both engines compute in single precision
ENGINES = ("auto", "torch", "onnxruntime")
Runner = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Part:
    """A network and inputs of the shapes it will see, batch first."""

    name: str
    module: nn.Module  # returns one tensor or a tuple that may hold None
    example: tuple[Tensor, ...]


@dataclass(frozen=True)
class Engine:
    """The chosen runner of every part."""

    name: str
    runners: dict[str, Runner]
    milliseconds: dict[str, float]  # of each candidate, one batch through all parts
    reason: str


def choose(parts: Sequence[Part], wanted: str, device: torch.device, threads: int | None) -> Engine:
    """The engine to run `parts`: the one wanted, or for "auto" the faster that agrees.

    ONNX Runtime is tried on processors only. What cannot be exported runs in PyTorch.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine {wanted!r} is none of {', '.join(ENGINES)}")
    eager = {part.name: torch_runner(part.module, device) for part in parts}
    if wanted == "torch" or device.type != "cpu":
        return Engine("torch", eager, {}, "asked for" if wanted == "torch" else "on an accelerator")
    try:
        exported = {part.name: onnx_runner(part, threads) for part in parts}
    except Exception as error:  # the exporter raises many kinds
        if wanted == "onnxruntime":
            raise
        return Engine("torch", eager, {}, f"export failed: {type(error).__name__}")
    return _compare(parts, eager, exported, wanted)


def _compare(
    parts: Sequence[Part], eager: dict[str, Runner], exported: dict[str, Runner], wanted: str
) -> Engine:
    gap = max(disagreement(eager[part.name], exported[part.name], part.example) for part in parts)
    took = {
        "torch": _milliseconds(eager, parts),
        "onnxruntime": _milliseconds(exported, parts),
    }
    if gap > TOLERANCE:
        return Engine("torch", eager, took, f"ONNX Runtime differs by {gap:.1e} deviations")
    if wanted == "onnxruntime" or took["onnxruntime"] < took["torch"]:
        reason = "asked for" if wanted == "onnxruntime" else "faster"
        return Engine("onnxruntime", exported, took, reason)
    return Engine("torch", eager, took, "faster")


def torch_runner(module: nn.Module, device: torch.device) -> Runner:
    """Eager PyTorch, channels last."""
    moved = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return _as_tuple(moved(*(x.to(device) for x in inputs)))

    return run


def onnx_runner(part: Part, threads: int | None) -> Runner:
    """An ONNX Runtime session of the part; the batch size stays free."""
    session = onnxruntime.InferenceSession(
        export(part), _session_options(threads), providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = [x.detach().cpu().contiguous().numpy() for x in inputs]
        outputs = session.run(None, dict(zip(names, arrays, strict=True)))
        return tuple(torch.from_numpy(np.asarray(output)) for output in outputs)

    return run


def export(part: Part) -> bytes:
    """The part as ONNX bytes with a free batch dimension."""
    batch = torch.export.Dim("batch", min=1, max=1024)
    shapes = tuple({0: batch} for _ in part.example)
    # an example batch of 1 would be taken for a constant
    example = tuple(torch.cat([x, x])[:2].contiguous() for x in part.example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Outputs(part.module), example, dynamo=True, dynamic_shapes=(shapes,), verbose=False
        )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    return bytes(program.model_proto.SerializeToString())


class _Outputs(nn.Module):
    """A module whose missing outputs are left out, as ONNX knows no None."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _as_tuple(self.module(*inputs))


def disagreement(one: Runner, other: Runner, example: tuple[Tensor, ...]) -> float:
    """Largest difference of two runners' outputs, in standard deviations of the output."""
    pairs = zip(one(*example), other(*example), strict=True)
    return max(float((a - b).abs().max() / a.std().clamp_min(1e-6)) for a, b in pairs)


def _session_options(threads: int | None) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    # several workers on few cores: threads that spin while idle starve the others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _milliseconds(runners: dict[str, Runner], parts: Sequence[Part], repeats: int = 5) -> float:
    """Best of a few passes through all parts."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for part in parts:
            runners[part.name](*part.example)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def _as_tuple(output: Tensor | tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
    if isinstance(output, Tensor):
        return (output,)
    return tuple(x for x in output if x is not None)
