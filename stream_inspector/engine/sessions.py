"""ONNX graphs on processors: ONNX Runtime and OpenVINO, both in single precision."""

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.errors import EngineMissing

Array = NDArray[Any]
Run = Callable[..., list[Array]]  # all inputs, in order -> all outputs


def onnxruntime_session(graph: bytes, threads: int) -> Run:
    """An ONNX Runtime session. Raises EngineMissing."""
    onnxruntime = _imported("onnxruntime", "worker")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    # several workers on few cores: threads that spin while idle starve the others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    taken = [node.name for node in session.get_inputs()]

    def run(*given: Array) -> list[Array]:
        inputs = dict(zip(taken, given, strict=True))
        return [np.asarray(output) for output in session.run(None, inputs)]

    return run


@cache
def _share_memory() -> None:
    """One arena for all sessions: else each keeps what its largest batch needed until it is gone.

    They compute one after the other, so that much is needed once (twice while a model is checked).
    """
    onnxruntime = _imported("onnxruntime", "worker")
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(info, None)


def openvino_session(graph: bytes, threads: int) -> Run:
    """A compiled OpenVINO model. Raises EngineMissing."""
    core = _imported("openvino", "openvino").Core()
    compiled = core.compile_model(
        core.read_model(graph),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",  # by default bfloat16 where the processor has it
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )

    def run(*given: Array) -> list[Array]:
        outputs = compiled(list(given))
        return [outputs[each].copy() for each in compiled.outputs]

    return run


def _imported(name: str, extra: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise EngineMissing(
            f"engine {name}: it is not installed; install the extra `{extra}`"
        ) from error


SESSIONS: dict[str, Callable[[bytes, int], Run]] = {
    "onnxruntime": onnxruntime_session,
    "openvino": openvino_session,
}


def installed() -> list[str]:
    """The engines that are here, beside PyTorch."""
    return [name for name in SESSIONS if find_spec(name)]


def usable_threads() -> int:
    """Processors that this process may run on, or fewer where OMP_NUM_THREADS says so."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(wanted), there or 1) if wanted.isdigit() and int(wanted) else there or 1
