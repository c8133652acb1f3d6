"""What the device does at most: matrix products, and the network's own convolutions alone."""

from typing import Any

import torch

from benchmarks.accelerator.precisions import PRECISIONS, precision
from benchmarks.accelerator.row import Left, Row, seconds
from benchmarks.convolutions import Shape, shapes_of

LARGEST = 8192  # rows and columns of the products


def measure(row: Row, left: Left) -> dict[str, Any]:
    """TFLOP a second of each precision in both, and the milliseconds an image these would take."""
    x = row.images(1)
    shapes = shapes_of(row.network, x, torch.zeros(1, dtype=torch.int64, device=row.device))
    flop = sum(count * shape.flop() for shape, count in shapes.items())
    levels = len(row.preset.pixel.score_steps)
    found: dict[str, Any] = {"gflop_per_image": round(levels * flop / 1e9, 2)}
    for name in PRECISIONS:
        if left() <= 0:
            found[name] = {"left out": "no time was left"}
            continue
        with precision(row, name), torch.inference_mode():
            took = sum(n * _convolution(row, shape, name) for shape, n in shapes.items())
            batch = levels * max(row.batches)
            found[name] = {
                "products_tflops": round(_products(row, name), 3),
                "convolutions_tflops": round(batch * flop / took / 1e12, 3),
                "ms_per_image": round(1000 * levels * took / batch, 3),
            }
    return found


def _dtype(name: str) -> torch.dtype:
    return torch.bfloat16 if name == "bf16" else torch.float32


def _products(row: Row, name: str) -> float:
    side = LARGEST if row.device.type == "cuda" else 256
    a = torch.randn(side, side, device=row.device, dtype=_dtype(name))
    return 2 * side**3 / seconds(row, lambda: a @ a) / 1e12


def _convolution(row: Row, shape: Shape, name: str) -> float:
    """Seconds of the largest batch at all noise levels."""
    batch = len(row.preset.pixel.score_steps) * max(row.batches)
    kind = {"device": row.device, "dtype": _dtype(name)}
    x = torch.randn(batch, shape.inner, *shape.input_size(), **kind)
    x = x.to(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(
        shape.inner, shape.outer, shape.kernel, shape.stride, groups=shape.groups, **kind
    ).to(memory_format=torch.channels_last)
    return seconds(row, lambda: conv(x))
