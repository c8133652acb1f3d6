"""Which kind of machine this is: as far as it decides how fast an engine is."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Instructions that engines have kernels for.
_SETS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16", "sve"),
)
_ENGINES = ("onnxruntime", "openvino")


def machine_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Its architecture, instruction sets and engines: `x86_64 avx2, onnxruntime 1.32`."""
    found = [name for name in _SETS if name in _flags(cpuinfo)]
    engines = [f"{name} {_version(name)}" for name in _ENGINES if _version(name)]
    return ", ".join([" ".join([platform.machine(), *found]), *engines])


def _flags(cpuinfo: Path) -> set[str]:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return set()
    named = (line.partition(":") for line in lines)
    return next(
        (
            set(said.split())
            for name, _, said in named
            if name.strip().lower() in {"flags", "features"}
        ),
        set(),
    )


def _version(name: str) -> str:
    """The first two of its numbers; empty when it is not installed."""
    try:
        return ".".join(version(name).split(".")[:2])
    except PackageNotFoundError:
        return ""
