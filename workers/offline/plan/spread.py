"""Cameras over partitions, partitions over workers. Pure."""

from collections import Counter

from workers.runtime.bus.partitioning import partition_of

_EACH = 4  # partitions for each worker: so many that hashed cameras even out


def partitions_for(workers: int, cameras: int, *, pinned: bool) -> int:
    """As many for each worker; cameras that are pinned need no more than there are of them."""
    each = max(1, min(_EACH, cameras // workers)) if pinned else _EACH
    return workers * each


def cameras_by_partition(cameras: int, partitions: int, *, pinned: bool) -> list[list[int]]:
    """Partition -> its cameras: one after the other, or by the hash of cam-1, cam-2, ..."""
    found: list[list[int]] = [[] for _ in range(partitions)]
    for camera in range(cameras):
        key = f"cam-{camera + 1}".encode()
        found[camera % partitions if pinned else partition_of(key, partitions)].append(camera)
    return found


def busiest(cameras: int, partitions: int, workers: int, *, pinned: bool) -> int:
    """Cameras of the worker that has most, when each has as many partitions."""
    held = cameras_by_partition(cameras, partitions, pinned=pinned)
    loads: Counter[int] = Counter()
    for partition, cameras_here in enumerate(held):
        loads[partition % workers] += len(cameras_here)
    return max(loads.values())
