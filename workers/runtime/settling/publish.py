"""Finished outcomes -> the broker, in partition order. Owns the ledger; a thread of its own.

Everything arrives through one queue, so the ledger needs no lock and no event overtakes another.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from workers.runtime.bus.ports import Delivery, Outgoing, Partition
from workers.runtime.errors import MembershipLost, MessageTooLarge, Transient
from workers.runtime.settling.fit import Fit
from workers.runtime.settling.flow import InFlight, Leases
from workers.runtime.settling.ledger import Ledger, Run
from workers.runtime.settling.results import Result, Ticket

_log = structlog.get_logger(__name__)

_RUN_LIMIT = 256  # results per publication
_IDLE_S = 0.05
_RETRY_FIRST_S, _RETRY_MAX_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions came, with their leases."""

    leases: dict[Partition, int]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Partitions go; unfinished work of theirs is forgotten after `grace_s`."""

    partitions: frozenset[Partition]
    grace_s: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """Records were read."""

    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """A message of its own, beside any frame's outcome."""

    message: Outgoing


@dataclass(frozen=True, slots=True)
class Finished:
    """A record has its outcome."""

    ticket: Ticket
    result: Result


Event = Assigned | Withdrawn | Delivered | Finished | Announced


class Publisher:
    """Applies events to the ledger and publishes what may leave."""

    def __init__(
        self, leases: Leases, in_flight: InFlight, count: Callable[[Result, datetime], None]
    ) -> None:
        """`count` is told of each result that was published, and when."""
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._ledger: Ledger[Result] = Ledger()
        self._leaving: dict[Partition, float] = {}  # partition -> when its work is forgotten
        self._leases, self._in_flight, self._count = leases, in_flight, count
        self._stopping = False
        self._announcements: deque[Outgoing] = deque()
        self._fit = Fit()
        self.away: Transient | None = None  # why the broker does not take results
        self.committed_at = 0.0  # when delivery last stored positions by itself (monotonic)
        self._trying_since: float | None = None
        self._busy = False  # holds results that are neither in the ledger nor published
        self._apply: dict[type, Callable[..., None]] = {
            Assigned: self._assigned,
            Withdrawn: self._withdrawn,
            Delivered: self._delivered,
            Finished: self._finished,
            Announced: self._announced,
        }

    def put(self, event: Event) -> None:
        """Hand over an event. Any thread; never blocks."""
        self._events.put(event)

    def stop(self) -> None:
        """End `run` after the events that are already here."""
        self._stopping = True

    def in_work(self, partitions: Iterable[Partition] | None = None) -> int:
        """Delivered records that are not published yet; events in the queue count as one."""
        return self._ledger.in_work(partitions) + self._busy + (not self._events.empty())

    def stuck_s(self, now: float) -> float:
        """For how long the broker client has been at the same attempt (seconds)."""
        since = self._trying_since
        return 0.0 if since is None else now - since

    def run(self, delivery: Delivery) -> None:
        """Work until stopped."""
        while True:
            stopping = self._stopping
            for event in self._collect():
                self._apply[type(event)](event)
            self._forget_leaving()
            while self._publish(delivery):
                pass
            self._announce(delivery)
            self._busy = False
            if stopping and self._events.empty():
                return

    def _collect(self) -> Iterable[Event]:
        try:
            first = self._events.get(timeout=_IDLE_S)
            self._busy = True
            yield first
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return

    def _assigned(self, event: Assigned) -> None:
        for partition, lease in event.leases.items():
            self._leaving.pop(partition, None)
            self._in_flight.free(partition, self._ledger.open(partition, lease))

    def _withdrawn(self, event: Withdrawn) -> None:
        forget_at = time.monotonic() + event.grace_s
        self._leaving.update(dict.fromkeys(event.partitions, forget_at))

    def _delivered(self, event: Delivered) -> None:
        for ticket in event.tickets:
            record = ticket.record
            lease, size = ticket.lease, ticket.size
            if not self._ledger.deliver(record.partition, lease, record.offset, size):
                self._in_flight.free(record.partition, size)

    def _finished(self, event: Finished) -> None:
        record = event.ticket.record
        self._ledger.finish(record.partition, event.ticket.lease, record.offset, event.result)

    def _announced(self, event: Announced) -> None:
        self._announcements.append(event.message)

    def _announce(self, delivery: Delivery) -> None:
        """Try to say what is to be said; what fails stays for the next round."""
        with suppress(Transient, MembershipLost):
            while self._announcements:
                delivery.settle([self._announcements[0]], {}, delivery.generation())
                self._announcements.popleft()

    def _forget_leaving(self) -> None:
        now = time.monotonic()
        for partition in [p for p, at in self._leaving.items() if now >= at]:
            self._in_flight.free(partition, self._ledger.drop(partition))
            del self._leaving[partition]

    def _publish(self, delivery: Delivery) -> bool:
        runs = self._ledger.take(_RUN_LIMIT)
        if not runs:
            return False
        settled = self._settle(runs, delivery)
        now = datetime.now(UTC)
        for run in settled:
            for result in run.results:
                if result.settled is not None:
                    result.settled(now)
                self._count(result, now)
        for run in runs:
            self._in_flight.free(run.partition, run.freed)
        return True

    def _settle(self, runs: list[Run[Result]], delivery: Delivery) -> list[Run[Result]]:
        """Publish and commit as one statement, again and again while the broker is away.

        Returns what was settled: runs whose partition was taken away are left to its new owner.
        """
        pause = _RETRY_FIRST_S
        runs = self._fit.known(runs)
        while True:
            generation = delivery.generation()  # before the leases: a later loss is fenced
            runs = [run for run in runs if self._ours(run)]
            if not runs:
                return []
            self._trying_since = time.monotonic()
            try:
                delivery.settle(
                    _messages(runs), {r.partition: r.position for r in runs}, generation
                )
                self.away = None
                if delivery.commits:
                    self.committed_at = time.monotonic()
                return runs
            except MessageTooLarge as error:
                runs = self._fit.refused(runs)
                _log.warning(
                    "a message is too large; it is cut",
                    reason=str(error),
                    cut_from_bytes=self._fit.bound,
                )
                continue
            except MembershipLost as error:
                _log.info("the group moved while publishing, trying again", reason=str(error))
            except Transient as error:
                self.away = error
                _log.warning("cannot publish, trying again", reason=str(error), pause_s=pause)
            finally:
                self._trying_since = None
            time.sleep(pause)
            pause = min(2 * pause, _RETRY_MAX_S)

    def _ours(self, run: Run[Result]) -> bool:
        return self._leases.alive(run.partition, run.lease, time.monotonic())


def _messages(runs: list[Run[Result]]) -> list[Outgoing]:
    return [message for run in runs for result in run.results for message in result.messages]
