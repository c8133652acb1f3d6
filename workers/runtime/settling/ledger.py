"""Which outcomes may be published, per partition and in order. Pure, one owner.

Batches finish out of order. An outcome is held until every earlier *delivered record* of its
partition has its own; then the contiguous run leaves together with the position after it, so
"published" and "committed" speak of the same frames. Records count, not offsets: transaction
markers and compaction leave gaps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from workers.runtime.bus.ports import Partition

R = TypeVar("R")


@dataclass(slots=True)
class _Entry(Generic[R]):
    size: int  # bytes that the record keeps occupied
    result: R | None = None


@dataclass(slots=True)
class _Page(Generic[R]):
    """One partition under one lease: its delivered records, oldest first."""

    lease: int
    entries: dict[int, _Entry[R]] = field(default_factory=dict)  # by offset, in order of delivery
    delivered: int = -1  # the highest offset so far


@dataclass(frozen=True, slots=True)
class Run(Generic[R]):
    """Results of one partition that may be published now, and the position they settle."""

    partition: Partition
    lease: int
    results: tuple[R, ...]
    position: int  # the offset after the last of them
    freed: int  # bytes


class Ledger(Generic[R]):
    """The open records of every partition."""

    def __init__(self) -> None:
        self._pages: dict[Partition, _Page[R]] = {}

    def open(self, partition: Partition, lease: int) -> int:
        """Start a partition under a lease; an older one is dropped. Returns the bytes freed."""
        freed = self.drop(partition)
        self._pages[partition] = _Page(lease)
        return freed

    def deliver(self, partition: Partition, lease: int, offset: int, size: int) -> bool:
        """A record was read. False when it is none of ours, or known."""
        page = self._pages.get(partition)
        if page is None or page.lease != lease or offset <= page.delivered:
            return False
        page.entries[offset] = _Entry(size)
        page.delivered = offset
        return True

    def finish(self, partition: Partition, lease: int, offset: int, result: R) -> bool:
        """A record's outcome. The first one wins; a late or foreign one returns False."""
        page = self._pages.get(partition)
        entry = page.entries.get(offset) if page is not None and page.lease == lease else None
        if entry is None or entry.result is not None:
            return False
        entry.result = result
        return True

    def take(self, limit: int) -> list[Run[R]]:
        """The contiguous finished runs, at most `limit` results over all partitions."""
        runs = []
        for partition, page in self._pages.items():
            run = _finished(partition, page, limit)
            if run.results:
                limit -= len(run.results)
                runs.append(run)
        return runs

    def drop(self, partition: Partition) -> int:
        """Forget a partition; its records are delivered again elsewhere. Returns bytes freed."""
        page = self._pages.pop(partition, None)
        return 0 if page is None else sum(entry.size for entry in page.entries.values())

    def in_work(self, partitions: Iterable[Partition] | None = None) -> int:
        """How many delivered records have not been published yet."""
        chosen = list(self._pages) if partitions is None else partitions
        pages = (self._pages.get(partition) for partition in chosen)
        return sum(len(page.entries) for page in pages if page is not None)


def _finished(partition: Partition, page: _Page[R], limit: int) -> Run[R]:
    """Take the finished records out of a page, up to the first that is not."""
    results: list[R] = []
    freed, position = 0, 0
    for offset, entry in list(page.entries.items()):
        if entry.result is None or len(results) >= limit:
            break
        results.append(entry.result)
        del page.entries[offset]
        freed, position = freed + entry.size, offset + 1
    return Run(partition, page.lease, tuple(results), position, freed)
