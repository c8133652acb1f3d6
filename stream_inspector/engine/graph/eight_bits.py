"""The frozen network's precision in a graph: single, watched to learn its ranges, or 8 bits.

8 bits: activations as unsigned integers between the ends that good images showed, weights as signed
ones of 7 bits for each output channel. 7, so that no processor's multiplication of pairs saturates:
all of them compute the same.
"""

import numpy as np

from stream_inspector.engine.graph.writer import Array, Graph

_LEVELS = 255  # of an activation
_WEIGHT = 63  # the largest weight
_BIAS = 2**30  # the largest bias, of 32 bits
_LEAST = 1e-8  # a scale, of a channel of zeros


class Single:
    """Single precision: everything as it is."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def seen(self, x: str) -> str:
        """An activation, as the next layer gets to see it."""
        return x

    def weights(self, x: str, weight: Array, bias: Array) -> tuple[str | Array, str | Array]:
        """Weights [O, I, k, k] and bias [O] of a convolution of what `seen` gave."""
        del x
        return weight, bias


class Watched(Single):
    """Single precision, and the names of all activations."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.names: list[str] = []

    def seen(self, x: str) -> str:
        """See `Single.seen`."""
        self.names.append(x)
        return x


class EightBits(Single):
    """Integers, where an engine has kernels for them: quantise and back again around each layer."""

    def __init__(self, graph: Graph, ranges: Array) -> None:
        """`ranges` [A, 2]: the least and the largest of each activation, in the network's order."""
        super().__init__(graph)
        self._ranges = iter(ranges)
        self._scales: dict[str, np.float32] = {}

    def seen(self, x: str) -> str:
        """See `Single.seen`."""
        low, high = (float(each) for each in next(self._ranges))
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max((high - low) / _LEVELS, _LEAST))
        zero = np.uint8(round(min(-low / float(scale), _LEVELS)))
        whole = self.graph.op("QuantizeLinear", x, scale, zero)
        back = self.graph.op("DequantizeLinear", whole, scale, zero)
        self._scales[back] = scale
        return back

    def weights(self, x: str, weight: Array, bias: Array) -> tuple[str | Array, str | Array]:
        """See `Single.weights`."""
        seen = self._scales[x]
        room = np.abs(bias) / (seen * _BIAS)  # of channels whose weights are next to nothing
        scale = np.maximum.reduce(
            [np.abs(weight).max(axis=(1, 2, 3)) / _WEIGHT, room, np.full(len(bias), _LEAST)]
        )
        whole = np.rint(weight / scale[:, None, None, None]).astype(np.int8)
        both = (scale * seen).astype(np.float32)
        counts = np.rint(bias / both).astype(np.int32)
        g, scale = self.graph, scale.astype(np.float32)
        zeros = np.zeros(len(scale), np.int8)
        return (
            g.op("DequantizeLinear", whole, scale, zeros, axis=0),
            g.op("DequantizeLinear", counts, both, axis=0),
        )
