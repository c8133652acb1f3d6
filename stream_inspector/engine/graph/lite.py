"""EfficientNet-Lite as a graph: its structure is read from timm's names of the weights."""

from collections.abc import Iterator, Mapping

import numpy as np

from stream_inspector.engine.graph.eight_bits import Single
from stream_inspector.engine.graph.matrices import linear
from stream_inspector.engine.graph.writer import Array

_EPSILON = 1e-3  # of the batch normalisation that TensorFlow trained
_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the stages' first blocks
_STAGES = (0, 1, 2, 4, 6)  # that end the levels
Size = tuple[int, int]


class Lite:
    """Writes the network into a graph; batch normalisation vanishes in the convolutions."""

    def __init__(self, weights: Mapping[str, Array], precision: Single) -> None:
        """Into the graph of a precision."""
        self._graph, self._weights, self._precision = precision.graph, weights, precision

    def features(self, x: str, size: Size, levels: tuple[int, ...], grid: Size) -> str:
        """Images in [-1, 1] [B, 3, H, W] -> features [B, C, h, w] of the levels on one grid."""
        maps = [
            self._resized(level, seen, grid)
            for number, (level, seen) in enumerate(self._levels(x, size, max(levels)))
            if number in levels
        ]
        return self._graph.op("Concat", *maps, axis=1) if len(maps) > 1 else maps[0]

    def _levels(self, x: str, size: Size, last: int) -> Iterator[tuple[str, Size]]:
        """The map of each level and its size, up to the last that is wanted."""
        x = self._precision.seen(x)
        x, size = self._convolved(x, "conv_stem", "bn1", size, 2)
        for stage in range(_STAGES[last] + 1):
            for number in range(self._blocks(stage)):
                stride = _STRIDES[stage] if number == 0 else 1
                x, size = self._block(x, f"blocks.{stage}.{number}", size, stride)
            if stage in _STAGES:
                yield x, size

    def _blocks(self, stage: int) -> int:
        start = f"blocks.{stage}."
        return len({k.split(".")[2] for k in self._weights if k.startswith(start)})

    def _block(self, x: str, name: str, size: Size, stride: int) -> tuple[str, Size]:
        """Depthwise between two pointwise convolutions; without the first where it widens none."""
        widens = f"{name}.conv_pwl.weight" in self._weights
        y, last = x, "conv_pw"
        if widens:
            y, _ = self._convolved(y, f"{name}.conv_pw", f"{name}.bn1", size, 1)
            last = "conv_pwl"
        first, second = ("bn2", "bn3") if widens else ("bn1", "bn2")
        y, out = self._convolved(y, f"{name}.conv_dw", f"{name}.{first}", size, stride, groups=True)
        y, _ = self._convolved(y, f"{name}.{last}", f"{name}.{second}", out, 1, active=False)
        first_weight = self._weights[f"{name}.{'conv_pw' if widens else 'conv_dw'}.weight"]
        inner = first_weight.shape[1 if widens else 0]
        same = stride == 1 and inner == len(self._weights[f"{name}.{last}.weight"])
        return (self._precision.seen(self._graph.op("Add", y, x)) if same else y), out

    def _convolved(
        self,
        x: str,
        name: str,
        norm: str,
        size: Size,
        stride: int,
        *,
        groups: bool = False,
        active: bool = True,
    ) -> tuple[str, Size]:
        weight = self._weights[f"{name}.weight"]
        scale = self._weights[f"{norm}.weight"] / np.sqrt(
            self._weights[f"{norm}.running_var"] + np.float32(_EPSILON)
        )
        bias = self._weights[f"{norm}.bias"] - self._weights[f"{norm}.running_mean"] * scale
        before, after = zip(
            *(_padding(side, weight.shape[2], stride) for side in size), strict=True
        )
        folded = self._precision.weights(x, weight * scale[:, None, None, None], bias)
        y = self._graph.op(
            "Conv",
            x,
            *folded,
            strides=[stride, stride],
            pads=[*before, *after],
            group=len(weight) if groups else 1,
        )
        if active:
            y = self._graph.op("Clip", y, np.float32(0), np.float32(6))
        return self._precision.seen(y), (-(-size[0] // stride), -(-size[1] // stride))

    def _resized(self, x: str, size: Size, grid: Size) -> str:
        if size == grid:
            return x
        return self._graph.both_ways(x, linear(size[0], grid[0]), linear(size[1], grid[1]))


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Before and after, so that a side becomes its part of the stride (TensorFlow's SAME)."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2
