"""Frames whose category has no model in memory. They wait.

While no model can be had their partitions are not read on; while it is being loaded they are.
"""

import threading
from collections.abc import Container

from workers.inspector.work import Waiting
from workers.runtime.bus.ports import Partition
from workers.runtime.settling.results import Ticket


class Parking:
    """Bounded by what is in flight, like everything that was read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Waiting] = []

    def park(self, waiting: Waiting) -> None:
        """Keep a frame."""
        with self._lock:
            self._waiting.append(waiting)

    def leave(self, loaded: Container[str]) -> list[Ticket]:
        """Frames whose category has a model now."""
        if not self._waiting:
            return []
        with self._lock:
            leaving = [each.ticket for each in self._waiting if each.category in loaded]
            self._waiting = [each for each in self._waiting if each.category not in loaded]
            return leaving

    def __len__(self) -> int:
        return len(self._waiting)

    def partitions(self, missing: Container[str]) -> frozenset[Partition]:
        """Where frames of these categories wait."""
        with self._lock:
            return frozenset(
                each.ticket.record.partition for each in self._waiting if each.category in missing
            )
