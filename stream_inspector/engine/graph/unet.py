"""The U-Net as a graph, at one noise level of one category, or told them as an input.

What follows from the two alone is their embedding. Where it is known while the graph is written,
the scales and shifts of every block are computed then. Module names are those of
`diffusion/unet.py`.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from stream_inspector.engine.graph.writer import Array, Graph
from stream_inspector.presets import NetworkShape

Size = tuple[int, int]
Layers = Sequence[str]  # what a block consists of
EMBEDDING = ("time_embed.", "label_emb.")  # modules that `embedded` computes with


class UNet:
    """Writes the network into a graph."""

    def __init__(
        self,
        graph: Graph,
        shape: NetworkShape,
        weights: Mapping[str, Array],
        embedding: Array | str,
    ) -> None:
        """`embedding` [E] as `embedded` makes it, or the name of an input that will be it."""
        self._graph, self._shape, self._weights = graph, shape, weights
        self._embedding: Array | str = (
            graph.op("Mul", embedding, graph.op("Sigmoid", embedding))
            if isinstance(embedding, str)
            else _silu(embedding)
        )

    def predicted(self, x: str, size: Size) -> tuple[str, str | None]:
        """x [B, C, H, W] -> raw output, and what the feature head gives, if there is one."""
        patch = self._shape.patch
        h, size = self._unshuffled(x, size, patch), (size[0] // patch, size[1] // patch)
        skips = []
        for number, layers in enumerate(self._encoder()):
            h, size = self._run(layers, f"input_blocks.{number}", h, size)
            if number == 0 and self._shape.position:
                h = self._graph.op("Add", h, self._weights["position"])
            skips.append(h)
        h, size = self._run(("res", "attention", "res"), "middle_block", h, size)
        features = None
        for number, (layers, head) in enumerate(self._decoder()):
            h, name = self._graph.op("Concat", h, skips.pop(), axis=1), f"output_blocks.{number}"
            stop = len(layers) if head is None else head
            h, size = self._run(layers[:stop], name, h, size)
            if head is not None:
                features = self._convolved(
                    self._active(h, "feature_head.0", size), "feature_head.2"
                )
            h, size = self._run(layers[stop:], name, h, size, first=stop)
        raw = self._convolved(self._active(h, "out.0", size), "out.2")
        return self._shuffled(raw, size, patch), features

    def _block(self, factor: int) -> list[str]:
        return ["res", "attention"] if factor in self._shape.attention else ["res"]

    def _encoder(self) -> list[Layers]:
        blocks: list[Layers] = [("conv",)]
        levels = len(self._shape.multipliers)
        for level in range(levels):
            blocks += [self._block(2**level)] * self._shape.res_blocks
            if level < levels - 1:
                blocks.append(("res down",) if self._shape.updown else ("down",))
        return blocks

    def _decoder(self) -> list[tuple[Layers, int | None]]:
        """The blocks, each with the number of its layers that the feature head reads after."""
        blocks: list[tuple[Layers, int | None]] = []
        shape = self._shape
        for level in reversed(range(len(shape.multipliers))):
            for i in range(shape.res_blocks + 1):
                layers = self._block(2**level)
                reads = i == shape.res_blocks - shape.feature_early
                reads = reads and bool(shape.feature_channels) and 2**level == shape.feature_level
                head = len(layers) if reads else None
                if i == shape.res_blocks and level:
                    layers = [*layers, "res up" if shape.updown else "up"]
                blocks.append((layers, head))
        return blocks

    def _run(
        self, layers: Layers, name: str, h: str, size: Size, first: int = 0
    ) -> tuple[str, Size]:
        for number, kind in enumerate(layers, first):
            h, size = self._layer(kind, f"{name}.{number}", h, size)
        return h, size

    def _layer(self, kind: str, name: str, h: str, size: Size) -> tuple[str, Size]:
        doubled, halved = (2 * size[0], 2 * size[1]), (size[0] // 2, size[1] // 2)
        if kind == "conv":
            return self._convolved(h, name), size
        if kind == "attention":
            return self._attended(h, name, size), size
        if kind == "down":
            return self._convolved(h, f"{name}.op", stride=2), halved
        if kind == "up":
            return self._convolved(self._larger(h), f"{name}.conv"), doubled
        resample = kind.removeprefix("res").strip()
        after = {"up": doubled, "down": halved, "": size}[resample]
        return self._residual(h, name, size, after, resample), after

    def _residual(self, x: str, name: str, size: Size, after: Size, resample: str) -> str:
        change = {"up": self._larger, "down": self._smaller, "": _same}[resample]
        h = change(self._active(x, f"{name}.in_layers.0", size))
        told = self._told(f"{name}.emb_layers.1")
        plus, scaled = (None, told) if self._shape.scale_shift else (told, None)
        h = self._convolved(h, f"{name}.in_layers.2", plus=plus)
        h = self._active(h, f"{name}.out_layers.0", after, scaled)
        h = self._convolved(h, f"{name}.out_layers.3")
        x = change(x)
        if f"{name}.skip_connection.weight" in self._weights:
            x = self._convolved(x, f"{name}.skip_connection")
        return self._graph.op("Add", x, h)

    def _told(self, name: str) -> Array | str:
        """What the embedding says to a block, [C] or [2 C]."""
        if not isinstance(self._embedding, str):
            return _linear(self._embedding, self._weights, name)
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._graph.op("Add", self._graph.op("MatMul", weight, self._embedding), bias)

    def _attended(self, x: str, name: str, size: Size) -> str:
        g, places = self._graph, size[0] * size[1]
        channels = len(self._weights[f"{name}.norm.weight"])
        heads, head = channels // self._shape.head_channels, self._shape.head_channels
        flat = g.shaped(self._normed(x, f"{name}.norm", size), 0, channels, places)
        weight, bias = self._weights[f"{name}.qkv.weight"], self._weights[f"{name}.qkv.bias"]
        qkv = g.op("Add", g.op("MatMul", weight[..., 0], flat), bias[:, None])
        split = g.ops("Split", 3, g.shaped(qkv, 0, heads, 3, head, places), axis=2, num_outputs=3)
        q, k, v = (g.shaped(each, 0, heads, head, places) for each in split)
        q = g.op("Mul", g.op("Transpose", q, perm=[0, 1, 3, 2]), np.float32(head**-0.5))
        seen = g.op("Softmax", g.op("MatMul", q, k), axis=-1)
        found = g.op("MatMul", seen, g.op("Transpose", v, perm=[0, 1, 3, 2]))
        found = g.shaped(g.op("Transpose", found, perm=[0, 1, 3, 2]), 0, channels, places)
        weight, bias = (
            self._weights[f"{name}.proj_out.weight"],
            self._weights[f"{name}.proj_out.bias"],
        )
        out = g.op("Add", g.op("MatMul", weight[..., 0], found), bias[:, None])
        return g.op("Add", x, g.shaped(out, 0, channels, *size))

    def _active(self, x: str, name: str, size: Size, scaled: Array | str | None = None) -> str:
        h = self._normed(x, name, size, scaled)
        return self._graph.op("Mul", h, self._graph.op("Sigmoid", h))

    def _normed(self, x: str, name: str, size: Size, scaled: Array | str | None = None) -> str:
        """Group normalisation, `scaled` and shifted: by numbers that are known, in its own."""
        g, weight, bias = (
            self._graph,
            self._weights[f"{name}.weight"],
            self._weights[f"{name}.bias"],
        )
        groups = math.gcd(32, len(weight))
        if scaled is not None and not isinstance(scaled, str):
            scale, shift = np.split(scaled, 2)
            weight, bias = weight * (1 + scale), bias * (1 + scale) + shift
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        grouped = g.shaped(x, 0, groups, -1)
        normed = g.op("InstanceNormalization", grouped, ones, zeros, epsilon=1e-5)
        h = g.shaped(normed, 0, len(weight), *size)
        h = g.op("Add", g.op("Mul", h, weight[:, None, None]), bias[:, None, None])
        if not isinstance(scaled, str):
            return h
        more, less = g.ops("Split", 2, g.shaped(scaled, -1, 1, 1), axis=0, num_outputs=2)
        return g.op("Add", g.op("Add", h, g.op("Mul", h, more)), less)

    def _convolved(
        self, x: str, name: str, stride: int = 1, plus: Array | str | None = None
    ) -> str:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        pad = weight.shape[2] // 2
        bias = bias + plus if isinstance(plus, np.ndarray) else bias
        h = self._graph.op("Conv", x, weight, bias, strides=[stride] * 2, pads=[pad] * 4)
        if not isinstance(plus, str):
            return h
        return self._graph.op("Add", h, self._graph.shaped(plus, -1, 1, 1))

    def _larger(self, x: str) -> str:
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        return self._graph.op(
            "Resize", x, "", np.array([1, 1, 2, 2], np.float32), nearest_mode="floor", **nearest
        )

    def _smaller(self, x: str) -> str:
        return self._graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])

    def _unshuffled(self, x: str, size: Size, patch: int) -> str:
        """Pixels of a patch become channels, each colour's together."""
        if patch == 1:
            return x
        g, h, w = self._graph, size[0] // patch, size[1] // patch
        channels = self._weights["input_blocks.0.0.weight"].shape[1]
        apart = g.shaped(x, 0, channels // patch**2, h, patch, w, patch)
        return g.shaped(g.op("Transpose", apart, perm=[0, 1, 3, 5, 2, 4]), 0, channels, h, w)

    def _shuffled(self, x: str, _: Size, patch: int) -> str:
        return x if patch == 1 else self._graph.op("DepthToSpace", x, blocksize=patch, mode="CRD")


def embedded(shape: NetworkShape, weights: Mapping[str, Array], step: int, label: int) -> Array:
    """A step of the trained chain and a label, where there are classes, as the network sees them:
    [E].
    """
    half = shape.channels // 2
    angles = step * np.exp(-math.log(10000) * np.arange(half, dtype=np.float32) / half)
    wave = np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)
    found = _linear(_silu(_linear(wave, weights, "time_embed.0")), weights, "time_embed.2")
    return found + weights["label_emb.weight"][label] if shape.classes else found


def _linear(x: Array, weights: Mapping[str, Array], name: str) -> Array:
    return np.asarray(weights[f"{name}.weight"] @ x + weights[f"{name}.bias"])


def _silu(x: Array) -> Array:
    return np.asarray(x / (1 + np.exp(-x)))


def _same(x: str) -> str:
    return x
