"""How far the notifier may commit: up to the oldest record whose alarm is not out yet."""

from collections.abc import Iterable

from workers.runtime.bus.ports import Gap, Partition, Positions, Record

_AHEAD_MS = 86_400_000  # times of records beyond are not believed


class Reading:
    """What was read and what was committed, per partition."""

    def __init__(self) -> None:
        self._read: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}
        self._newest_ms: dict[Partition, int] = {}

    def note(self, record: Record, now_ms: int) -> None:
        """This record was read."""
        self._read[record.partition] = record.offset + 1
        newest_ms = max(
            self._newest_ms.get(record.partition, 0), min(record.timestamp_ms, now_ms + _AHEAD_MS)
        )
        self._newest_ms[record.partition] = newest_ms

    def newest_ms(self, partition: Partition) -> int:
        """The newest time of its records that was read, as far as it can be true."""
        return self._newest_ms.get(partition, 0)

    def pass_over(self, gap: Gap) -> None:
        """These records are not to be had."""
        self._read[gap.partition] = gap.last + 1

    def reach(self, partition: Partition, position: int) -> None:
        """Reading has got this far: what lies behind the last record are transaction markers."""
        if partition in self._read:
            self._read[partition] = max(position, self._read[partition])

    def committable(self, *held: Positions) -> dict[Partition, int]:
        """For each partition the position that no held record is before."""
        return {
            partition: min(read, *(h.get(partition, read) for h in held))
            for partition, read in self._read.items()
        }

    def fresh(self, positions: Positions) -> dict[Partition, int]:
        """The positions that are not committed yet."""
        return {p: offset for p, offset in positions.items() if self._committed.get(p) != offset}

    def committed(self, positions: Positions) -> None:
        """The broker has these."""
        self._committed.update(positions)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These partitions are not ours any more."""
        for partition in partitions:
            self._read.pop(partition, None)
            self._committed.pop(partition, None)
            self._newest_ms.pop(partition, None)
