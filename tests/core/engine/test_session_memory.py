"""Models that wait for their turn do not each keep what a batch needs."""

import numpy as np
import psutil
from onnx import TensorProto, helper

from stream_inspector.engine.graph.writer import Graph, model_bytes
from stream_inspector.engine.sessions import onnxruntime_session

_MIB = 2**20


def _layers() -> bytes:
    graph, x = Graph(), "x"
    for inner in (3, 64, 64):
        weights = np.zeros((64, inner, 3, 3), np.float32)
        x = graph.op("Conv", x, weights, pads=[1, 1, 1, 1])
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 128, 128])
    output = helper.make_tensor_value_info(x, TensorProto.FLOAT, None)
    return model_bytes(graph.written("layers", [given], [output]))


def test_sessions_share_the_memory_of_their_batches() -> None:
    made = _layers()
    large = np.zeros((16, 3, 128, 128), np.float32)  # 64 MiB between two layers
    process, runs = psutil.Process(), []
    for _ in range(4):
        runs.append(onnxruntime_session(made, 2))
        runs[-1](large)
        if len(runs) == 1:
            before = process.memory_info().rss
    assert process.memory_info().rss - before < 100 * _MIB
