"""Finds the frame that kills workers: after an unclean death, what was in work runs alone.

Between reading and decoding, on a thread of its own, because it asks the store. Where the
predecessor went in order, frames pass through at once. Where it died, the first frames of the
partition are tried one at a time, each attempt noted before it begins; a frame that ended the
process too often is rejected instead of being tried again.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from workers.inspector.crash_log import CrashLog
from workers.inspector.work import Ticket
from workers.runtime.bus.ports import Partition

_log = structlog.get_logger()
_IDLE_S = 0.1
_LOOK_S = 0.002  # between two looks at whether a frame that runs alone is done


@dataclass(frozen=True, slots=True)
class Left:
    """Partitions that were given up in order."""

    partitions: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How far frames are suspected, and how often each may be tried."""

    frames: int  # as many as can have been in work
    attempts: int


class Triage:
    """Hands tickets on, all at once or one at a time."""

    def __init__(
        self,
        crash_log: CrashLog,
        suspicion: Suspicion,
        submit: Callable[[Ticket], None],
        reject: Callable[[Ticket, int], None],
        idle: Callable[[], bool],
    ):
        self._crash_log, self._suspicion = crash_log, suspicion
        self._submit, self._reject, self._idle = submit, reject, idle
        self._queue: queue.SimpleQueue[Ticket | Left] = queue.SimpleQueue()
        self._leases: dict[Partition, int] = {}  # partitions that bear our mark
        self._suspects: dict[Partition, int] = {}  # how many frames are still suspected

    def put(self, item: Ticket | Left) -> None:
        """Hand over a ticket, or say what was given up. Any thread; never blocks."""
        self._queue.put(item)

    def run(self, stop: threading.Event) -> None:
        """Work until stopped."""
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=_IDLE_S)
            except queue.Empty:
                continue
            if isinstance(item, Left):
                self.leave(item.partitions)
            else:
                self._take(item, stop)

    def leave(self, partitions: Iterable[Partition] | None = None) -> None:
        """Take our marks away; without an argument all of them, when the process ends in order."""
        for partition in list(self._leases) if partitions is None else partitions:
            if self._leases.pop(partition, None) is not None:
                self._crash_log.close(partition)

    def _take(self, ticket: Ticket, stop: threading.Event) -> None:
        partition = ticket.record.partition
        if self._leases.get(partition) != ticket.lease:
            self._leases[partition] = ticket.lease
            self._suspects.pop(partition, None)
            if self._crash_log.open(partition):
                _log.warning("a worker died here: its frames are tried one at a time", at=partition)
                self._suspects[partition] = self._suspicion.frames
        if partition in self._suspects:
            self._alone(ticket, stop)
        else:
            self._submit(ticket)

    def _alone(self, ticket: Ticket, stop: threading.Event) -> None:
        """Let what is in work finish, then try this frame, and wait for its end."""
        partition = ticket.record.partition
        self._suspects[partition] -= 1
        if not self._suspects[partition]:
            del self._suspects[partition]
        self._wait(stop)
        attempt = self._crash_log.attempt(ticket.record)
        if attempt > self._suspicion.attempts:
            self._reject(ticket, attempt)
        else:
            self._submit(ticket)
        self._wait(stop)
        if not stop.is_set():
            self._crash_log.survived(ticket.record)

    def _wait(self, stop: threading.Event) -> None:
        while not stop.is_set() and not self._idle():
            time.sleep(_LOOK_S)
