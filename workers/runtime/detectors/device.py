"""What the device has: memory in all, in use and for models; threads."""

import sys

import psutil

from stream_inspector.engine.sessions import usable_threads
from workers.runtime.errors import WorkerError
from workers.runtime.host.control_group import memory_limit, whole_processors

_MIB = 2**20


class DeviceFull(WorkerError):
    """Others use the device's memory."""


def model_memory(device: str, megabytes: int | None) -> int:
    """Bytes that loaded models may take: as set, else half of what there is."""
    return _there_is(device) // 2 if megabytes is None else megabytes * _MIB


def check_free(device: str, needed: int) -> None:
    """Raises DeviceFull when a CUDA device has less memory to give; a processor pages instead."""
    if not device.startswith("cuda"):
        return
    import torch

    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + unused
    if free < needed:
        raise DeviceFull(
            f"{needed // _MIB} MiB are needed, {device} has {free // _MIB} MiB free: end what else "
            "uses it, or set models.memory_mb lower so that other models leave"
        )


def _there_is(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    there_is = int(psutil.virtual_memory().total)
    return min(there_is, memory_limit() or there_is)


def device_threads(wanted: int | None) -> int:
    """Threads that infer: as set, else one for each processor that we may use."""
    return min(usable_threads(), whole_processors()) if wanted is None else wanted


def device_memory(device: str) -> dict[tuple[str, ...], float]:
    """Bytes by kind: what this worker holds and reserved, what all have in use, what there is.

    Empty for a processor, and before anything has used the device: asking would start it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_initialized():
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {
        ("allocated",): float(torch.cuda.memory_allocated(device)),
        ("reserved",): float(torch.cuda.memory_reserved(device)),
        ("used",): float(total - free),
        ("total",): float(total),
    }
