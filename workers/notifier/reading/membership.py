"""What the group says about partitions, collected on the client's thread."""

import threading

from workers.runtime.bus.ports import Handover, Partition


class Membership:
    """Collects what the group tells us, for the loop to act upon."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gained: set[Partition] = set()
        self._gone: set[Partition] = set()

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """New partitions."""
        with self._lock:
            self._gained |= partitions

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Partitions that somebody else reads from now on."""
        with self._lock:
            self._gone |= partitions
            self._gained -= partitions

    lost = revoked

    def handover(self, partitions: frozenset[Partition]) -> Handover:  # noqa: ARG002  (the port)
        """Nothing to wait for: the next owner reads open windows again."""
        return Handover(done=True, positions={})

    def take(self) -> tuple[set[Partition], set[Partition]]:
        """What came and went since the last call; what went is to be forgotten first."""
        with self._lock:
            changes = self._gained, self._gone
            self._gained, self._gone = set(), set()
        return changes
