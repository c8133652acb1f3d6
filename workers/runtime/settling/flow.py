"""What the inspector's threads share: the bytes in flight, the leases, the positions to commit."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable

from workers.runtime.bus.ports import Partition, Positions


class InFlight:
    """Bytes from poll to publication: the one bound on all queues together.

    A partition may hold as much as is still free (dynamic thresholds, Choudhury and Hahne 1998):
    a flood on one takes half of the limit and leaves room for a rare frame on another. A paused
    partition is read on when it is down to half of that.
    """

    def __init__(self, limit_bytes: int):
        self._limit = limit_bytes
        self._held: Counter[Partition] = Counter()
        self._paused: frozenset[Partition] = frozenset()
        self._lock = threading.Lock()

    def add(self, partition: Partition, size: int) -> None:
        """A record came in."""
        with self._lock:
            self._held[partition] += size

    def free(self, partition: Partition, size: int) -> None:
        """Records were published or dropped."""
        with self._lock:
            self._held[partition] -= size

    @property
    def bytes(self) -> int:
        """Occupied now."""
        with self._lock:
            return self._held.total()

    def full(self, partitions: Iterable[Partition]) -> frozenset[Partition]:
        """Those of the partitions that must not be read now. One caller: it has a memory."""
        free = self._limit - self.bytes
        self._paused = frozenset(
            p
            for p in partitions
            if self._held[p] >= free or (p in self._paused and 2 * self._held[p] > free)
        )
        return self._paused


class Leases:
    """Which partitions are ours, each time under a new number.

    Work of an earlier lease is not counted: its records are delivered again. A lease that is
    being handed over stays alive for a grace time, so that work which is nearly done gets done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: dict[Partition, int] = {}
        self._leaving: dict[Partition, tuple[int, float]] = {}  # lease, and until when (seconds)
        self._last = 0

    def open(
        self, partitions: Iterable[Partition], announce: Callable[[dict[Partition, int]], None]
    ) -> None:
        """New leases. `announce` is told before anybody can see them."""
        with self._lock:
            opened = {}
            for partition in partitions:
                self._last += 1
                opened[partition] = self._last
            announce(opened)
            self._current.update(opened)

    def close(self, partitions: Iterable[Partition], until: float) -> None:
        """These are not ours any more; their work counts until then (seconds, monotonic)."""
        with self._lock:
            for partition in partitions:
                lease = self._current.pop(partition, None)
                if lease is not None:
                    self._leaving[partition] = (lease, until)

    def of(self, partition: Partition) -> int | None:
        """The partition's lease, or None when it is not ours."""
        return self._current.get(partition)

    def alive(self, partition: Partition, lease: int, now: float) -> bool:
        """Whether work under this lease still counts."""
        if self._current.get(partition) == lease:
            return True
        leaving, until = self._leaving.get(partition, (None, 0.0))
        return leaving == lease and now < until


class PendingCommits:
    """Positions that are published but not committed yet: publisher -> poll thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: dict[Partition, int] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def put(self, positions: Positions) -> None:
        """Add positions; they only move forward."""
        with self._lock:
            for partition, offset in positions.items():
                known = self._positions.get(partition, -1)
                self._positions[partition] = max(offset, known)

    def take(self) -> dict[Partition, int]:
        """All of them, to be committed now."""
        with self._lock:
            taken, self._positions = self._positions, {}
            return taken

    def peek(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Those of some partitions, left in place."""
        with self._lock:
            return {p: self._positions[p] for p in partitions if p in self._positions}

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Partitions that are not ours any more."""
        with self._lock:
            for partition in partitions:
                self._positions.pop(partition, None)


class Open:
    """A count that several threads change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        """Change it by `count`."""
        with self._lock:
            self._count += count

    def __bool__(self) -> bool:
        return self._count > 0
