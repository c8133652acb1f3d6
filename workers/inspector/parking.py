"""Frames whose category has no model yet. They wait, and their partitions are not read on."""

import threading
from collections.abc import Container

from workers.inspector.work import Ticket, Waiting
from workers.runtime.bus.ports import Partition


class Parking:
    """Bounded by what is in flight: a partition with a waiting frame is paused."""

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

    def partitions(self) -> frozenset[Partition]:
        """Where frames wait."""
        with self._lock:
            return frozenset(each.ticket.record.partition for each in self._waiting)
