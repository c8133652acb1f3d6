"""What outlives a process that dies: which partitions were in work, and what was tried together.

A mark that its owner did not take away says that a process ended in the middle of its work.
Everything here is advice: without the store no frame is lost, a crash is only not attributed, and
marks that are old or forged make frames be tried with care, never rejected.
"""

import re
from dataclasses import dataclass
from uuid import uuid4

import structlog

from workers.runtime.bus.ports import Partition
from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.ports import KeyValueStore

_log = structlog.get_logger(__name__)
_OFFSET = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Mark:
    """Who works on a partition, and on which offsets when it does so with suspicion."""

    owner: str
    offsets: range | None = None


class CrashLog:
    """Marks of one consumer group, in a store that may be away."""

    def __init__(self, store: KeyValueStore, group: str):
        self._store, self._group = store, group
        self._owner = uuid4().hex

    def open(self, partition: Partition) -> Mark | None:
        """Mark a partition as in work. Returns the mark of a predecessor that died, if it did."""
        try:
            found = _read(self._store.get(self._mark(partition)))
            if found is None or found.owner == self._owner:
                found = None
            self.trying(partition, found.offsets if found else None)
        except StoreUnavailable as error:
            _log.warning("a crash of this worker would go unnoticed", reason=str(error))
            return None
        return found

    def trying(self, partition: Partition, offsets: range | None) -> None:
        """What of the partition is in work: these offsets alone, or (None) whatever was read.

        Raises StoreUnavailable.
        """
        words = [self._owner, *(map(str, (offsets.start, offsets.stop)) if offsets else ())]
        self._store.put(self._mark(partition), " ".join(words).encode())

    def close(self, partition: Partition) -> None:
        """Take our own mark away: the partition is given up in order."""
        try:
            found = _read(self._store.get(self._mark(partition)))
            if found is not None and found.owner == self._owner:
                self._store.delete(self._mark(partition))
        except StoreUnavailable as error:  # the next owner tries a few frames one at a time
            _log.info("mark left behind", reason=str(error))

    def _mark(self, partition: Partition) -> str:
        return f"in-work:{self._group}:{partition.topic}:{partition.index}"


def _read(mark: bytes | None) -> Mark | None:
    """A mark that cannot be read says at least that somebody died."""
    if mark is None:
        return None
    owner, *bounds = mark.decode("utf-8", "replace").split()
    if len(bounds) == 2 and all(_OFFSET.fullmatch(bound) for bound in bounds):
        return Mark(owner, range(int(bounds[0]), int(bounds[1])))
    return Mark(owner)
