"""Mahalanobis distance to a mixture as a graph, as `score/mixture.py` computes it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from stream_inspector.engine.graph.writer import Array, Graph, integers

_NEAREST = 4  # components asked for each feature, by Euclidean distance to their means


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Names: pairs of a feature and a component, by component."""

    order: str  # [P], where each pair was
    rows: str  # [P], its feature
    bounds: str  # [K + 1], where each component's pairs begin


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
        self._half = self._factor.shape[1] // 2
        upper = np.swapaxes(self._factor, 1, 2)
        # Constants of the whole graph, which the loop's body sees.
        self._halves = (
            graph.array(upper[:, : self._half, : self._half]),
            graph.array(upper[:, :, self._half :]),
        )
        self._graph_mean = graph.array(self._mean)

    def energies(self, rows: str) -> str:
        """Of features [N, h w, C], of tiles one after another, [N h w]."""
        g, (kinds, channels) = self._graph, self._mean.shape
        x = g.op("Div", g.shaped(rows, -1, channels), self._scale)
        far = self._allowed(g.op("MatMul", x, -2 * self._mean.T))
        asked = min(_NEAREST, kinds)
        distance, near = g.ops("TopK", 2, far, integers(asked), axis=1, largest=0, sorted=0)
        energy = self._of_pairs(x, near, asked)
        energy = g.op("Where", g.op("IsInf", distance), np.float32(np.inf), energy)
        return g.op("ReduceMin", energy, integers(1), keepdims=0)

    def _allowed(self, products: str) -> str:
        """Squared distances less the features' own squares [R, K], infinite to what may not be
        here.
        """
        g, kinds, own = self._graph, len(self._mean), np.square(self._mean).sum(1)
        if self._seen is None:
            return g.op("Add", products, own)
        seen = self._seen.reshape(1, -1, kinds)
        apart = g.shaped(products, -1, seen.shape[1], kinds)
        own = np.where(seen, own, np.float32(np.inf)).astype(np.float32)
        return g.shaped(g.op("Add", apart, own), -1, kinds)

    def _of_pairs(self, x: str, near: str, asked: int) -> str:
        """Twice the negative log-likelihood of x [R, C] per channel under components near
        [R, M], [R, M]: component by component, so that each is one product.
        """
        g, (kinds, channels) = self._graph, self._mean.shape
        flat = g.shaped(near, -1)
        pairs = g.op("Shape", flat)
        _, order = g.ops("TopK", 2, flat, pairs, axis=0, largest=0, sorted=1)
        one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
        ones = g.op("ConstantOfShape", pairs, value=one)
        none = np.zeros(kinds, np.int64)
        counts = g.op("ScatterElements", none, flat, ones, axis=0, reduction="add")
        sorted_ = _Sorted(
            order,
            g.op("Div", order, integers(asked)),
            g.op("Concat", integers(0), g.op("CumSum", counts, np.int64(0)), axis=0),
        )
        body = self._component(g.inner(), x, sorted_)
        start = g.op("ConstantOfShape", pairs)  # of zeros, single precision
        squared = g.op("Loop", np.int64(kinds), "", start, body=body)
        energy = g.op("Add", g.times(squared, 1 / channels), g.op("Gather", self._volume, flat))
        return g.shaped(energy, -1, asked)

    def _component(self, g: Graph, x: str, pairs: "_Sorted") -> GraphProto:
        """The loop's body: the squared distances of one component's pairs, put among those
        before.
        """
        here = g.op("Unsqueeze", "component", integers(0))
        start = g.op("Gather", pairs.bounds, here)
        stop = g.op("Gather", pairs.bounds, g.op("Add", here, integers(1)))
        places, rows = (
            g.op("Slice", each, start, stop, integers(0)) for each in (pairs.order, pairs.rows)
        )
        mean = g.op("Gather", self._graph_mean, "component")
        squared = self._squared(g, g.op("Sub", g.op("Gather", x, rows), mean))
        after = g.op("ScatterElements", "before", places, squared, axis=0)
        goes_on = g.op("Identity", "on")
        inputs = [
            _value("component", TensorProto.INT64, []),
            _value("on", TensorProto.BOOL, []),
            _value("before", TensorProto.FLOAT, [None]),
        ]
        outputs = [_value(goes_on, TensorProto.BOOL, []), _value(after, TensorProto.FLOAT, [None])]
        return g.written("one_component", inputs, outputs)

    def _squared(self, g: Graph, centred: str) -> str:
        """Squared lengths of rows [P, C] times the component's triangle: its left half needs only
        the first half of the channels, a quarter of the work less.
        """
        half = g.op("Slice", centred, integers(0), integers(self._half), integers(1))
        parts = [
            g.op("MatMul", own, g.op("Gather", factor, "component"))
            for own, factor in zip((half, centred), self._halves, strict=True)
        ]
        lengths = [g.op("ReduceSumSquare", part, integers(1), keepdims=0) for part in parts]
        return g.op("Add", *lengths)


def _value(name: str, kind: int, shape: list[str | int | None]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def unpacked_triangles(packed: Array) -> Array:
    """Lower triangles [..., C (C + 1) / 2] -> [..., C, C]."""
    c = int(((8 * packed.shape[-1] + 1) ** 0.5 - 1) / 2)
    full = np.zeros((*packed.shape[:-1], c, c), packed.dtype)
    full[..., *np.tril_indices(c)] = packed
    return full
