"""The notifier's loop: read, apply the rules, deliver, and only then commit.

An event is committed when its alarm was delivered or is on disk, and its window is closed; after
a crash the open windows are built again from the topics, with the same alarm ids.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from schemas.alarm import Alarm
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.envelope import event_type
from schemas.errors import SchemaError
from schemas.interruption import Interruption
from schemas.outcome import Outcome
from workers.notifier.deliver import Delivery
from workers.notifier.happenings import (
    Happening,
    Place,
    from_dead_letter,
    from_defect,
    from_gap,
    from_interruption,
    from_unreadable,
)
from workers.notifier.memory import WatchMemory
from workers.notifier.positions import Reading
from workers.notifier.rules import Rules
from workers.notifier.watch import Watch
from workers.runtime.bus.ports import Consumer, Gap, Handover, Partition, Record
from workers.runtime.errors import MembershipLost, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import TopicSettings
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

_POLL_S = 0.2
_AWAY_S = 1.0  # pause while the broker is away
_INTERRUPTION = event_type(Interruption.message_name).encode()
_STALL = timedelta(seconds=1)  # a longer pause between two polls is our own


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Membership:
    """Collects what the group tells us on the client's thread, for the loop to act upon."""

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


@dataclass(slots=True)
class Counts:
    """What was read and said."""

    events: int = 0
    unreadable: int = 0
    passed_over: int = 0  # that were gone, or in a batch that cannot be unpacked
    alarms: int = 0


class Notifier:
    """One member of the notifiers' group."""

    def __init__(
        self,
        consumer: Consumer,
        membership: Membership,
        rules: Rules,
        watch: Watch,
        delivery: Delivery,
        *,
        topics: TopicSettings,
        memory: WatchMemory,
        commit_every_s: float,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._consumer, self._membership = consumer, membership
        self._rules, self._watch, self._delivery = rules, watch, delivery
        self._memory, self._now = memory, now
        self._reading = Reading()
        self._commit_every = timedelta(seconds=commit_every_s)
        self._polled = self._tried_commit = now()
        self._topics = topics
        self.counts = Counts()
        self.away = False
        self.pulse = Pulse()  # of this thread, while the client is at work

    @property
    def stalled_s(self) -> float:
        """Seconds since the last poll: a channel that hangs shows here."""
        return (self._now() - self._polled).total_seconds()

    def run(self, stop: StopSignal) -> None:
        """Work until a stop is asked for; then close the windows, deliver and commit."""
        while not stop.is_set():
            if not self.step():
                stop.wait(_AWAY_S)
        self._tell(self._rules.finish(self._now()))
        self._commit()

    def step(self, timeout_s: float = _POLL_S) -> bool:
        """One round. False when the broker is away. Raises Fatal."""
        records = self._poll(timeout_s)
        self._follow_membership()
        for gap in self._consumer.gaps():
            self._pass_over(gap)
        for record in records or ():
            self._take(record)
        now = self._now()
        for happening in self._watch.tick(now):
            self._tell(self._rules.see(happening, now))
        self._tell(self._rules.tick(now))
        self._delivery.retry()
        if now - self._tried_commit >= self._commit_every:
            self._commit()
        return records is not None

    def _poll(self, timeout_s: float) -> list[Record] | None:
        stalled = self._now() - self._polled
        try:
            with self.pulse.watching():
                records: list[Record] | None = self._consumer.poll(timeout_s)
            if self.away:
                log.info("broker back")
            self.away = False
        except Transient as error:
            if not self.away:
                log.warning("broker away", error=str(error))
            self.away, records = True, None
        if stalled > _STALL and not self.away:
            self._watch.excuse(stalled)
        self._polled = self._now()
        return records

    def _follow_membership(self) -> None:
        gained, gone = self._membership.take()
        if gone:
            for part in (self._rules, self._watch, self._reading):
                part.forget(gone)
        if gained:
            self._watch.activate(gained, self._now())

    def _pass_over(self, gap: Gap) -> None:
        self._reading.pass_over(gap)
        self.counts.passed_over += gap.records
        now = self._now()
        self._tell(self._rules.see(from_gap(gap, now), now))

    def _take(self, record: Record) -> None:
        self._reading.note(record)
        self.counts.events += 1
        now = self._now()
        try:
            happening = self._read(record, now)
        except SchemaError as error:
            self.counts.unreadable += 1
            log.warning("event cannot be read", record=str(record.partition), error=str(error))
            happening = from_unreadable(record, error, now)
        if happening:
            self._tell(self._rules.see(happening, now))

    def _read(self, record: Record, now: datetime) -> Happening | None:
        """The happening that a record speaks of; an outcome only feeds the watch."""
        place = Place(record.partition, record.offset)
        topic = record.partition.topic
        if topic == self._topics.defects:
            return from_defect(DefectEvent.decode(record.headers, record.value), place)
        if topic == self._topics.dead_letters:
            return _from_dead_letters(record, place)
        self._watch.see(Outcome.decode(record.headers, record.value), place, now)
        return None

    def _tell(self, alarms: list[Alarm]) -> None:
        self.counts.alarms += len(alarms)
        self._delivery.deliver(alarms)

    def _pass_markers(self, owned: frozenset[Partition]) -> None:
        """Without it the lag of a topic that is written in transactions never comes to nothing."""
        with suppress(Transient):
            for partition in owned:
                with self.pulse.watching():
                    position = self._consumer.position(partition)
                if position is not None:
                    self._reading.reach(partition, position)

    def _commit(self) -> None:
        """Commit what needs no second reading; the watch's memory goes to the disk before."""
        self._tried_commit = self._now()
        self._watch.settle(self._rules.is_open)
        owned = self._consumer.assignment()  # what was revoked meanwhile is not ours to commit
        self._pass_markers(owned)
        positions = self._reading.committable(self._rules.held(), self._watch.held())
        fresh = {p: n for p, n in self._reading.fresh(positions).items() if p in owned}
        if not fresh:
            return
        self._memory.save(self._watch.snapshot(positions))
        try:
            with self.pulse.watching():
                self._consumer.commit(fresh)
        except (MembershipLost, Transient) as error:  # read again by whoever owns them next
            log.warning("positions not committed", error=str(error))
            return
        self._reading.committed(fresh)


def _from_dead_letters(record: Record, place: Place) -> Happening:
    """A dead letter, or an interruption: both stand in one topic."""
    if dict(record.headers).get("ce_type") == _INTERRUPTION:
        return from_interruption(Interruption.decode(record.headers, record.value), place)
    return from_dead_letter(DeadLetter.decode(record.headers, record.value), place)
