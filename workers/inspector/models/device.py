"""How much memory the device has, in all, in use, and for models."""

import sys
from pathlib import Path

import psutil

from workers.runtime.errors import WorkerError

_MIB = 2**20
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container: control groups 2 and 1
_GROUPS = Path("/sys/fs/cgroup")


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
    return min([psutil.virtual_memory().total, *_container_limits(_GROUPS)])


def _container_limits(groups: Path) -> list[int]:
    texts = [path.read_text().strip() for name in _LIMITS if (path := groups / name).is_file()]
    return [int(text) for text in texts if text.isdigit()]  # "max": none


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
