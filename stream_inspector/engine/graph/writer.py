"""An ONNX graph while it is written: operations take names or arrays, and give names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, ValueInfoProto, helper, numpy_helper

Array = NDArray[Any]
Operand = str | Array | np.generic
OPSET, _IR = 18, 9


class Graph:
    """Nodes in order, and the arrays that they compute with."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._arrays: list[TensorProto] = []
        self._count = 0

    def op(self, kind: str, *operands: Operand, **attributes: Any) -> str:
        """Write one operation; the name of what it gives."""
        return self.ops(kind, 1, *operands, **attributes)[0]

    def ops(self, kind: str, results: int, *operands: Operand, **attributes: Any) -> list[str]:
        """Write one operation; the names of all that it gives."""
        inputs = [each if isinstance(each, str) else self.array(each) for each in operands]
        names = [self._name(kind) for _ in range(results)]
        self._nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def array(self, value: Array | np.generic) -> str:
        """An array under a name."""
        name = self._name("array")
        self._arrays.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def named(self, name: str, result: str) -> None:
        """Give what is under a name under another: a graph's outputs have fixed ones."""
        self._nodes.append(helper.make_node("Identity", [name], [result]))

    def shaped(self, x: str, *shape: int) -> str:
        """Reshape; 0 keeps a side, -1 is what remains."""
        return self.op("Reshape", x, integers(*shape))

    def times(self, x: str, factor: float) -> str:
        """Each value times one number."""
        return x if factor == 1 else self.op("Mul", x, np.float32(factor))

    def both_ways(self, x: str, rows: Array, columns: Array) -> str:
        """Resize [..., h, w] by a matrix [to, from] for each axis."""
        return self.op("MatMul", self.op("MatMul", rows, x), columns.T)

    def mean(self, x: str, *axes: int, keep: bool = False) -> str:
        """Mean over axes."""
        return self.op("ReduceMean", x, integers(*axes), keepdims=int(keep))

    def written(
        self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]
    ) -> GraphProto:
        """The nodes as a graph; of a loop's body the arrays stay with it."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._arrays)

    def inner(self) -> "Graph":
        """A graph within this one, for a loop's body: its names are its own."""
        inside = Graph()
        inside._name = self._name  # type: ignore[method-assign]  # one counter
        return inside

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def integers(*values: int) -> Array:
    """As ONNX takes shapes and axes."""
    return np.array(values, np.int64)


def model_bytes(graph: GraphProto) -> bytes:
    """The graph as a model that engines read."""
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = _IR
    return bytes(made.SerializeToString())
