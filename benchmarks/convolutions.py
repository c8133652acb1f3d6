"""What a device can do at most with a preset: its own convolutions, back to back and nothing else.

Each shape is timed alone, in PyTorch in both memory formats and on processors in ONNX Runtime too;
the fastest counts.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

_RUNS = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """One convolution without its batch; the input is as large as the output needs."""

    inner: int
    outer: int
    groups: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    out: tuple[int, int]  # height and width

    def flop(self) -> int:
        """Multiplications and additions of one image."""
        taps = self.kernel[0] * self.kernel[1] * self.inner // self.groups
        return 2 * taps * self.outer * self.out[0] * self.out[1]

    def input_size(self) -> tuple[int, int]:
        """Height and width."""
        sides = zip(self.out, self.stride, self.kernel, strict=True)
        h, w = ((out - 1) * stride + kernel for out, stride, kernel in sides)
        return h, w


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The convolutions of one image."""

    gflop: float
    seconds: float

    @property
    def gflop_per_second(self) -> float:
        """The rate that the device reaches on them."""
        return self.gflop / self.seconds


def shapes_of(module: nn.Module, *inputs: Tensor) -> Counter[Shape]:
    """The convolutions of a forward pass, and how often each occurs."""
    found: Counter[Shape] = Counter()

    def record(conv: nn.Module, _: object, out: Tensor) -> None:
        size = (1, *out.shape[2:]) if isinstance(conv, nn.Conv1d) else tuple(out.shape[2:])
        kernel, stride = ((1, *values)[-2:] for values in (conv.kernel_size, conv.stride))
        found[Shape(conv.in_channels, conv.out_channels, conv.groups, kernel, stride, size)] += 1

    convs = [each for each in module.modules() if isinstance(each, nn.Conv1d | nn.Conv2d)]
    handles = [each.register_forward_hook(record) for each in convs]
    with torch.inference_mode():
        module(*inputs)
    for handle in handles:
        handle.remove()
    return found


def ceiling(shapes: Counter[Shape], batch: int, device: torch.device) -> Ceiling:
    """Time all shapes at a batch; per image."""
    seconds = sum(count * _fastest(shape, batch, device) for shape, count in shapes.items())
    flop = sum(count * shape.flop() for shape, count in shapes.items())
    return Ceiling(flop / 1e9, seconds / batch)


def _fastest(shape: Shape, batch: int, device: torch.device) -> float:
    return min(_median(run, device) for run in _candidates(shape, batch, device))


def _candidates(shape: Shape, batch: int, device: torch.device) -> Iterator[Callable[[], object]]:
    x = torch.randn(batch, shape.inner, *shape.input_size(), device=device)
    conv = nn.Conv2d(shape.inner, shape.outer, shape.kernel, shape.stride, groups=shape.groups)
    conv = conv.to(device)
    yield lambda: conv(x)
    near, last = x.to(memory_format=torch.channels_last), conv.to(memory_format=torch.channels_last)
    yield lambda: last(near)
    if device.type == "cpu":
        session, feed = _session(shape), {"x": x.numpy()}
        yield lambda: session.run(None, feed)


def _session(shape: Shape) -> onnxruntime.InferenceSession:
    weights = np.random.default_rng(0).normal(
        size=(shape.outer, shape.inner // shape.groups, *shape.kernel)
    )
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], strides=list(shape.stride), group=shape.groups
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", shape.inner, None, None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _median(run: Callable[[], object], device: torch.device) -> float:
    took = []
    with torch.inference_mode():
        run()
        for _ in range(_RUNS):
            settle(device)
            start = time.perf_counter()
            run()
            settle(device)
            took.append(time.perf_counter() - start)
    return statistics.median(took)


def settle(device: torch.device) -> None:
    """Wait for what is queued on an accelerator."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
