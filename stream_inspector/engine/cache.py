"""What is worth keeping between processes, and the names it is kept under.

Keys name all that a result follows from: the architecture, the versions of the libraries and, for
a choice of engine, the device and its threads.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import torch

from stream_inspector.engine.part import Part

_LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino")


class Cache(Protocol):
    """A store of bytes that may forget."""

    def get(self, key: str) -> bytes | None:
        """What was put there, or None."""

    def put(self, key: str, value: bytes) -> None:
        """Keep the value, if possible."""


def graph_key(part: Part) -> str:
    """Of a part's exported graph. Only frozen weights belong to it; others are filled in."""
    state = part.module.state_dict()
    facts = {
        "architecture": part.architecture,
        "weights": {name: [list(w.shape), str(w.dtype)] for name, w in state.items()},
        "example": [[list(x.shape[1:]), str(x.dtype)] for x in part.example],
        "libraries": _versions(),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    if part.frozen:
        for weights in state.values():
            digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return f"graph-{digest.hexdigest()[:32]}"


def choice_key(parts: Sequence[Part], device: torch.device, threads: int) -> str:
    """Of the fastest engine for these parts on this device."""
    facts = {"parts": [graph_key(part) for part in parts], "on": hardware(device)}
    text = json.dumps(facts | {"threads": threads}, sort_keys=True)
    return f"choice-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def hardware(device: torch.device) -> str:
    """The device's name, and for a processor the instructions that it has."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()} {torch.backends.cpu.get_cpu_capability()}"


def _processor() -> str:
    """Its model; Python knows only the family on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
