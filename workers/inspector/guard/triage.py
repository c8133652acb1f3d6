"""Finds the frame that kills workers: after an unclean death, what was in work is tried again.

Between reading and decoding, on a thread of its own, because it asks the store. Where the
predecessor went in order, frames pass through at once. Where it died, as many frames as can have
been in work are tried in groups of a batch, one group at a time and noted before: hardly slower
than without suspicion. Where a group died, its frames are tried one at a time, first in a process
of its own whose death this one sees; the frame that ends that process too often is rejected. A mark
in the store alone rejects nothing: it may be old, or forged.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from workers.inspector.guard.crash_log import CrashLog
from workers.runtime.bus.ports import Partition
from workers.runtime.errors import StoreUnavailable, WorkerError
from workers.runtime.settling.results import Ticket

_log = structlog.get_logger(__name__)
_IDLE_S = 0.1
_LOOK_S = 0.002  # between two looks at whether what is tried is done


@dataclass(frozen=True, slots=True)
class Left:
    """Partitions that were given up in order."""

    partitions: frozenset[Partition]


class TrialImpossible(WorkerError):
    """Nothing could be learnt of the frame."""


class Trials(Protocol):
    """Tries a frame where its death costs nothing."""

    def survives(self, ticket: Ticket) -> bool:
        """Whether what tried it lives. Raises TrialImpossible."""

    def close(self) -> None:
        """Try no more. Any thread."""


@dataclass(slots=True)
class _Deadly:
    """Offsets of a group that died, and how many frames of theirs are still to be tried."""

    offsets: range
    left: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How far frames are suspected, how many are tried together, and how often one alone."""

    frames: int  # as many as can have been in work
    group: int
    attempts: int


class Triage:
    """Hands tickets on: all at once, in groups, or one at a time."""

    def __init__(
        self,
        crash_log: CrashLog,
        limits: Limits,
        submit: Callable[[Ticket], None],
        reject: Callable[[Ticket, int], None],
        idle: Callable[[], bool],
        *,
        trials: Trials,
    ):
        """`reject` is told how often the ticket was tried alone; `idle`: nothing is in work."""
        self._crash_log, self._trials, self._limits = crash_log, trials, limits
        self._submit, self._reject, self._idle = submit, reject, idle
        self._queue: queue.SimpleQueue[Ticket | Left] = queue.SimpleQueue()
        self._leases: dict[Partition, int] = {}  # partitions that bear our mark
        self._suspected: dict[Partition, int] = {}  # frames that are still tried in groups
        self._deadly: dict[Partition, _Deadly] = {}
        self._group: list[Ticket] = []  # of one partition

    def put(self, item: Ticket | Left) -> None:
        """Hand over a ticket, or say what was given up. Any thread; never blocks."""
        self._queue.put(item)

    def run(self, stop: threading.Event) -> None:
        """Work until stopped."""
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=0 if self._group else _IDLE_S)
            except queue.Empty:
                self._try_group(stop)
                continue
            if isinstance(item, Left):
                self._try_group(stop)
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
        if self._group and self._group[0].record.partition != partition:
            self._try_group(stop)
        if self._leases.get(partition) != ticket.lease:
            self._open(partition, ticket.lease)
        if partition in self._deadly:
            self._take_deadly(ticket, stop)
        elif partition in self._suspected:
            self._group.append(ticket)
            if len(self._group) >= min(self._limits.group, self._suspected[partition]):
                self._try_group(stop)
        else:
            self._submit(ticket)

    def _open(self, partition: Partition, lease: int) -> None:
        self._leases[partition] = lease
        self._suspected.pop(partition, None)
        self._deadly.pop(partition, None)
        mark = self._crash_log.open(partition)
        if mark is None:
            return
        if mark.offsets is None:
            self._suspected[partition] = self._limits.frames
        else:
            self._deadly[partition] = _Deadly(mark.offsets, self._limits.group)
        _log.warning("a worker died here", at=partition.index, tried_one_by_one=mark.offsets)

    def _try_group(self, stop: threading.Event) -> None:
        """Let what is in work finish, then try the group, and wait for its end."""
        group, self._group = self._group, []
        if not group:
            return
        partition = group[0].record.partition
        self._wait(stop)
        self._note(partition, range(group[0].record.offset, group[-1].record.offset + 1))
        for ticket in group:
            self._submit(ticket)
        self._wait(stop)
        self._suspected[partition] -= len(group)
        if self._suspected[partition] <= 0 and not stop.is_set():
            del self._suspected[partition]
            self._note(partition, None)

    def _take_deadly(self, ticket: Ticket, stop: threading.Event) -> None:
        """One of a group that died, or the first frame after it."""
        partition, offset = ticket.record.partition, ticket.record.offset
        deadly = self._deadly[partition]
        if offset < deadly.offsets.start:
            self._submit(ticket)
        elif offset < deadly.offsets.stop and deadly.left > 0:
            deadly.left -= 1
            self._try_alone(ticket, stop)
        else:
            del self._deadly[partition]
            self._note(partition, None)
            self._submit(ticket)

    def _try_alone(self, ticket: Ticket, stop: threading.Event) -> None:
        self._wait(stop)
        if not stop.is_set() and self._kills(ticket):
            self._reject(ticket, self._limits.attempts)
        else:
            self._submit(ticket)
        self._wait(stop)

    def _kills(self, ticket: Ticket) -> bool:
        """Whether the frame ended the process that tried it, each time."""
        try:
            return not any(self._trials.survives(ticket) for _ in range(self._limits.attempts))
        except TrialImpossible as error:
            _log.warning("a frame under suspicion goes on untried", reason=str(error))
            return False

    def _note(self, partition: Partition, offsets: range | None) -> None:
        with suppress(StoreUnavailable):
            self._crash_log.trying(partition, offsets)

    def _wait(self, stop: threading.Event) -> None:
        while not stop.is_set() and not self._idle():
            time.sleep(_LOOK_S)
