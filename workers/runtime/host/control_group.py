"""What this process may use of its machine: its affinity, and its control groups' limits.

Both versions of Linux's control groups. In a container the group's own folder is mounted as the
root; on a host it lies below, and each folder above it limits it too. The smallest limit holds.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_GROUPS, _OWN = "sys/fs/cgroup", "proc/self/cgroup"
_CPU = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # where version 1 mounts its controller
_MEMORY = ("memory",)
_NO_LIMIT = 2**60  # bytes; version 1 writes a number near 2**63 for none


def processors(root: Path = _ROOT) -> float:
    """How many processors; may be a fraction."""
    count = float(_affinity())
    return min([count, *_quotas(root)])


def whole_processors(root: Path = _ROOT) -> int:
    """As many threads as can compute at the same time; one at least."""
    return max(1, int(processors(root)))


def memory_limit(root: Path = _ROOT) -> int | None:
    """Bytes that the process and its children may have; None: no limit."""
    texts = [
        *_read(root, ("",), "memory.max"),
        *_read(root, _MEMORY, "memory.limit_in_bytes"),
    ]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT]
    return min(limits, default=None)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    for text in _read(root, ("",), "cpu.max"):
        quota, _, period = text.partition(" ")
        yield from _share(quota, period)
    for folder in _folders(root, _CPU):
        quota, period = (_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        yield from _share(quota, period)


def _share(quota: str, period: str) -> Iterator[float]:
    """Nothing where there is no quota: `max`, or -1."""
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        yield int(quota) / int(period)


def _read(root: Path, controllers: tuple[str, ...], name: str) -> Iterator[str]:
    for folder in _folders(root, controllers):
        if text := _text(folder / name):
            yield text


def _folders(root: Path, controllers: tuple[str, ...]) -> Iterator[Path]:
    """The group's folder and those above it, in each of the controllers' trees that is there."""
    for controller in controllers:
        tree = root / _GROUPS / controller
        yield tree
        for group in _groups(root, controller):
            folder = tree / group.strip("/")
            while folder != tree and tree in folder.parents:
                yield folder
                folder = folder.parent


def _groups(root: Path, controller: str) -> Iterator[str]:
    """The group's path as the kernel names it: lines of `number:controllers:path`."""
    wanted = set(filter(None, controller.split(",")))
    for line in _text(root / _OWN).splitlines():
        _, _, rest = line.partition(":")
        named, _, path = rest.partition(":")
        if wanted <= set(filter(None, named.split(","))) and bool(wanted) == bool(named):
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
