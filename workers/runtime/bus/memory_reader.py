"""Reading the in-memory broker outside any group: a topic, or single records."""

from collections.abc import Mapping

from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Gap, Partition, Record
from workers.runtime.errors import BusUnavailable


class MemoryReader:
    """Reader port on a MemoryBroker."""

    def __init__(
        self,
        broker: MemoryBroker,
        topic: str,
        max_records: int = 3,
        positions: Mapping[int, int] | None = None,
    ):
        """`positions`: partition -> the next offset, for those that were read before."""
        self._broker, self._topic, self._max_records = broker, topic, max_records
        known, found = positions or {}, range(broker.partitions(topic))
        self._next = {Partition(topic, n): known.get(n, 0) for n in found}
        self._gaps: list[Gap] = []
        self._ends = {partition: broker.end(partition) for partition in self._next}

    @property
    def partitions(self) -> int:
        """How many the topic has."""
        return len(self._next)

    def poll(self, timeout_s: float) -> list[Record]:  # noqa: ARG002
        """Records that have arrived."""
        for partition in self._next:
            self._pass_over(partition)
            records = self._broker.read(partition, self._next[partition], self._max_records)
            if records:
                self._next[partition] = records[-1].offset + 1
                return records
        return []

    def _pass_over(self, partition: Partition) -> None:
        while gap := self._broker.gap_at(partition, self._next[partition]):
            self._gaps.append(gap)
            self._next[partition] = gap.last + 1

    def gaps(self) -> list[Gap]:
        """Records that expired or cannot be unpacked."""
        found, self._gaps = self._gaps, []
        return found

    def left(self) -> int:
        """Records that are not read yet."""
        return sum(self._broker.end(p) - offset for p, offset in self._next.items())

    def at_end(self) -> bool:
        """Whether everything is read that the topic held when it was opened."""
        return all(offset >= self._ends[p] for p, offset in self._next.items())

    def ask(self) -> None:
        """Raises BusUnavailable."""
        self._broker.check()
        if self._broker.partitions(self._topic) != len(self._next):
            raise BusUnavailable(f"{self._topic} has other partitions now")

    def close(self) -> None:
        """Nothing to give back."""


class MemoryLookup:
    """Lookup port on a MemoryBroker."""

    def __init__(self, broker: MemoryBroker):
        self._broker = broker

    def find(self, partition: Partition, offset: int) -> Record | None:
        """The record, or None."""
        self._broker.check()
        if partition.index >= self._broker.partitions(partition.topic):
            return None
        if self._broker.gap_at(partition, offset):
            return None
        found = self._broker.read(partition, offset, 1)
        return found[0] if found else None

    def close(self) -> None:
        """Nothing to give back."""
