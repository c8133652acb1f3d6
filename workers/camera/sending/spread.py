"""Which partition each camera lands on: hashing few cameras leaves partitions empty."""

from collections.abc import Mapping, Sequence

from workers.runtime.bus.partitioning import partition_of


def spread(
    cameras: Sequence[str], partitions: int, explicit: Mapping[str, int]
) -> dict[int, list[str]]:
    """Partition -> its cameras, for all partitions; the explicit map wins over the hash."""
    found: dict[int, list[str]] = {index: [] for index in range(partitions)}
    for camera in cameras:
        index = explicit.get(camera, partition_of(camera.encode(), partitions))
        found.setdefault(index, []).append(camera)
    return found


def even_map(cameras: Sequence[str], partitions: int) -> dict[str, int]:
    """A map that fills the partitions evenly."""
    return {camera: index % partitions for index, camera in enumerate(cameras)}
