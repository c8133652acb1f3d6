"""How much memory a CUDA device has in use. Without one there is nothing to tell."""

import sys


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
