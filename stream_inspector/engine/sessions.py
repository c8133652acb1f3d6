"""ONNX graphs as runners: ONNX Runtime and OpenVINO, both on processors and in single precision."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from stream_inspector.engine.part import Runner
from stream_inspector.errors import EngineMissing


def onnxruntime_runner(graph: bytes, threads: int) -> Runner:
    """An ONNX Runtime session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    # several workers on few cores: threads that spin while idle starve the others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = session.run(None, dict(zip(names, map(_array, inputs), strict=True)))
        return tuple(torch.from_numpy(np.asarray(output)) for output in outputs)

    return run


@cache
def _share_memory() -> None:
    """One arena for all sessions: else each keeps what its largest batch needed until it is gone.

    They compute one after the other, so that much is needed once (twice while a model is checked).
    """
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(info, None)


def openvino_runner(graph: bytes, threads: int) -> Runner:
    """A compiled OpenVINO model. Raises EngineMissing."""
    try:
        import openvino  # noqa: PLC0415  an extra
    except ImportError as error:
        raise EngineMissing(
            "engine openvino: it is not installed; install the extra `openvino`"
        ) from error
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(graph),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",  # by default bfloat16 where the processor has it
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = compiled([_array(x) for x in inputs])
        return tuple(torch.from_numpy(outputs[each].copy()) for each in compiled.outputs)

    return run


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().contiguous().numpy()


SESSIONS: dict[str, Callable[[bytes, int], Runner]] = {
    "onnxruntime": onnxruntime_runner,
    "openvino": openvino_runner,
}


def installed() -> list[str]:
    """The engines that can be tried here."""
    return [name for name in SESSIONS if find_spec(name)]
