"""Mahalanobis distance to a mixture as a graph, as `score/mixture.py` computes it."""

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from stream_inspector.engine.graph.writer import Array, Graph, integers

_NEAREST = 4  # components asked for each feature, by Euclidean distance to their means


class Mixture:
    """Writes the energy under the likeliest component that may be here into a graph."""

    def __init__(self, graph: Graph, tensors: Mapping[str, Array], *, placed: bool) -> None:
        """`placed`: only components count that good images show near a place."""
        self._graph, self._scale = graph, tensors["mixture.scale"]
        self._mean = tensors["mixture.mean"].astype(np.float32)
        self._seen = tensors["mixture.seen"] if placed else None
        self._factor = unpacked_triangles(tensors["mixture.factor"].astype(np.float32))
        volume = -2 * np.log(np.diagonal(self._factor, axis1=1, axis2=2)).mean(1)
        self._volume = (volume - volume.min()).astype(np.float32)

    def energies(self, rows: str) -> str:
        """Of features [N, h w, C], of tiles one after another, [N h w]."""
        g, (kinds, channels) = self._graph, self._mean.shape
        x = g.op("Div", g.shaped(rows, -1, channels), self._scale)
        far = g.op("MatMul", x, -2 * self._mean.T)
        far = self._allowed(g.op("Add", far, np.square(self._mean).sum(1)))
        asked = min(_NEAREST, kinds)
        distance, near = g.ops("TopK", 2, far, integers(asked), axis=1, largest=0, sorted=0)
        energy = self._of_pairs(x, near, asked)
        energy = g.op("Where", g.op("IsInf", distance), np.float32(np.inf), energy)
        return g.op("ReduceMin", energy, integers(1), keepdims=0)

    def _allowed(self, far: str) -> str:
        """Distances [R, K], infinite to what may not be here."""
        if self._seen is None:
            return far
        g, kinds = self._graph, len(self._mean)
        seen = self._seen.reshape(1, -1, kinds)
        apart = g.shaped(far, -1, seen.shape[1], kinds)
        return g.shaped(g.op("Where", seen, apart, np.float32(np.inf)), -1, kinds)

    def _of_pairs(self, x: str, near: str, asked: int) -> str:
        """Twice the negative log-likelihood of x [R, C] per channel under components near
        [R, M], [R, M]: component by component, so that each is one product.
        """
        g, (kinds, channels) = self._graph, self._mean.shape
        flat = g.shaped(near, -1)
        pairs = g.op("Shape", flat)
        kind, order = g.ops("TopK", 2, flat, pairs, axis=0, largest=0, sorted=1)
        rows = g.op("Gather", x, g.op("Div", order, integers(asked)))
        centred = g.op("Sub", rows, g.op("Gather", self._mean, kind))
        one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
        ones = g.op("ConstantOfShape", pairs, value=one)
        none = np.zeros(kinds, np.int64)
        counts = g.op("ScatterElements", none, flat, ones, axis=0, reduction="add")
        bounds = g.op("Concat", integers(0), g.op("CumSum", counts, np.int64(0)), axis=0)
        factor = g.array(np.swapaxes(self._factor, 1, 2))
        body = _component(g.inner(), centred, order, bounds, factor)
        start = g.op("ConstantOfShape", pairs)  # of zeros, single precision
        squared = g.op("Loop", np.int64(kinds), "", start, body=body)
        energy = g.op("Add", g.times(squared, 1 / channels), g.op("Gather", self._volume, flat))
        return g.shaped(energy, -1, asked)


def _component(g: Graph, centred: str, order: str, bounds: str, factor: str) -> GraphProto:
    """The loop's body: the squared distances of one component's pairs, put among those before.

    `centred` [P, C] is sorted by component, `order` [P] says where each pair was, `bounds` [K + 1]
    where each component's begin.
    """
    here = g.op("Unsqueeze", "component", integers(0))
    start = g.op("Gather", bounds, here)
    stop = g.op("Gather", bounds, g.op("Add", here, integers(1)))
    own = g.op("Slice", centred, start, stop, integers(0))
    turned = g.op("MatMul", own, g.op("Gather", factor, "component"))
    squared = g.op("ReduceSumSquare", turned, integers(1), keepdims=0)
    places = g.op("Slice", order, start, stop, integers(0))
    after = g.op("ScatterElements", "before", places, squared, axis=0)
    goes_on = g.op("Identity", "on")
    inputs = [
        _value("component", TensorProto.INT64, []),
        _value("on", TensorProto.BOOL, []),
        _value("before", TensorProto.FLOAT, [None]),
    ]
    outputs = [_value(goes_on, TensorProto.BOOL, []), _value(after, TensorProto.FLOAT, [None])]
    return g.written("one_component", inputs, outputs)


def _value(name: str, kind: int, shape: list[str | int | None]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def unpacked_triangles(packed: Array) -> Array:
    """Lower triangles [..., C (C + 1) / 2] -> [..., C, C]."""
    c = int(((8 * packed.shape[-1] + 1) ** 0.5 - 1) / 2)
    full = np.zeros((*packed.shape[:-1], c, c), packed.dtype)
    full[..., *np.tril_indices(c)] = packed
    return full
