"""What computes: device, precision, threads and memory. Needs PyTorch for accelerators only."""

import platform
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.engine.sessions import installed
from workers.doctor.findings import Finding, failed, ok, or_ok, warning
from workers.inspector.settings import InspectorSettings
from workers.runtime.detectors.device import device_threads
from workers.runtime.detectors.settings import DeviceSection
from workers.runtime.host.control_group import memory_limit, processors

_Matrix = NDArray[Any]
_SIDE = 512  # of the probe's matrices
_REPEATS = 5
_EXACT = 1e-5  # relative error of single precision; TensorFloat-32 has 1e-3
_LITTLE_BYTES = 2 * 2**30
_MB = 2**20
_DECODER_MB = 64  # a decoder process beside the picture: interpreter, libraries, encoded bytes
_OTHER_BYTES = 1500 * _MB  # Python, torch and a model's working memory


def check_present(models: DeviceSection) -> list[Finding]:
    """The device is there and has room."""
    if models.device == "cpu":
        return [ok(f"cpu, {platform.machine()}")]
    try:
        import torch

        device = torch.device(models.device)
        torch.zeros(1, device=device)
    except ModuleNotFoundError:
        says = f"{models.device} needs PyTorch, which is not installed"
        return [failed(says, "install the extra `worker`, or set cpu", "models.device")]
    except (RuntimeError, AssertionError) as error:
        says = f"{models.device}: {str(error).splitlines()[0]}"
        return [failed(says, f"name one that is there: {_devices()}", "models.device")]
    free, total = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    says = f"{name}, driver {_driver()}, CUDA {torch.version.cuda}, {free / 2**30:.1f} of "
    says += f"{total / 2**30:.1f} GiB free"
    return or_ok((judge_room(free),), says)


def judge_room(free: int) -> Finding | None:
    """Two models lie on the device while one takes over from another."""
    if free >= _LITTLE_BYTES:
        return None
    says = f"only {free / 2**30:.1f} GiB of the device's memory are free"
    return warning(says, "end what else runs there, or give it a larger share", "models.device")


def check_engine(models: DeviceSection) -> list[Finding]:
    """The engine that is asked for is installed."""
    found = (*(["torch"] if find_spec("torch") else []), *installed())
    if models.engine not in ("auto", *found):
        says = f"{models.engine} is not installed; there are {', '.join(found)}"
        return [failed(says, "install it, or set auto", "models.engine")]
    return [ok(f"{models.engine}; installed: {', '.join(found)}")]


def check_precision(models: DeviceSection) -> list[Finding]:
    """Single precision is single precision, and how fast it is; on accelerators bfloat16 too."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((_SIDE, _SIDE), np.float32) for _ in range(2))
    exact = left.astype(np.float64) @ right.astype(np.float64)
    products = _products(models.device, left, right)
    error = float(np.linalg.norm(products["fp32"]() - exact) / np.linalg.norm(exact))
    told = ", ".join(f"{name} {_gflops(each):.0f} GFLOP/s" for name, each in products.items())
    return or_ok((judge_precision(error),), f"relative error {error:.1e}; {told}")


def _products(device: str, left: _Matrix, right: _Matrix) -> dict[str, Callable[[], _Matrix]]:
    """What multiplies two matrices on the device, by precision."""
    if device == "cpu":
        return {"fp32": lambda: left @ right}
    import torch

    def product(kind: torch.dtype) -> Callable[[], _Matrix]:
        one, other = (torch.from_numpy(each).to(device, kind) for each in (left, right))
        return lambda: (one @ other).float().cpu().numpy()

    return {"fp32": product(torch.float32), "bf16": product(torch.bfloat16)}


def judge_precision(error: float) -> Finding | None:
    """Thresholds were set on maps of single precision."""
    if error <= _EXACT:
        return None
    return failed(
        f"single precision has a relative error of {error:.1e} here",
        "switch reduced precision off (NVIDIA_TF32_OVERRIDE=0), or exchange the device",
        "models.device",
    )


def check_threads(settings: InspectorSettings) -> list[Finding]:
    """Threads that share too few processors wait for each other."""
    threads = device_threads(settings.models.threads)
    return judge_threads(threads, settings.worker.threads, processors())


def judge_threads(device: int, decode: int, available: float) -> list[Finding]:
    """`device`: threads that infer; `decode`: that decode; `available`: processors of ours."""
    says = f"{device} device threads and {decode} decode threads on {available:g} processors"
    if device <= max(1.0, available):
        return [ok(says)]
    advice = f"set it to {max(1, int(available))}, or give the process more processors"
    return [warning(says, advice, "models.threads")]


def check_memory(settings: InspectorSettings) -> list[Finding]:
    """The control group's limit covers what the settings allow to be in work."""
    return judge_memory(settings, memory_limit())


def judge_memory(settings: InspectorSettings, limit: int | None) -> list[Finding]:
    """See docs/processes.md for what the memory is made of."""
    worker = settings.worker
    needed = (
        worker.in_flight_mb * _MB
        + 4 * settings.kafka.max_frame_bytes
        + worker.threads * (settings.images.decode_mb + _DECODER_MB) * _MB
        + 32 * _MB
        + _OTHER_BYTES
    )
    says = f"up to about {needed / _MB:.0f} MiB may be needed"
    if limit is None:
        return [ok(f"{says}; there is no limit")]
    if needed <= limit:
        return [ok(f"{says}; the limit is {limit / _MB:.0f} MiB")]
    advice = "raise the memory limit; or lower it, worker.threads, or images.decode_mb"
    return [warning(f"{says}; the limit is {limit / _MB:.0f} MiB", advice, "worker.in_flight_mb")]


def _gflops(product: Callable[[], _Matrix]) -> float:
    """Best of a few products, after one to warm up."""
    best = float("inf")
    for _ in range(_REPEATS + 1):
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return float(2 * _SIDE**3 / best / 1e9)


def _devices() -> str:
    import torch

    return ", ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])


def _driver() -> str:
    try:
        words = Path("/proc/driver/nvidia/version").read_text().split()
    except OSError:
        return "unknown"
    return next((word for word in words if word[:1].isdigit() and "." in word), "unknown")
