"""The notifier's loop: read, decide, deliver, and only then commit.

Whatever a record holds, it is handled, set aside with a reason, or passed over and counted; only
a fault of the broker or of a setting ends the loop. An event is committed when its alarm is safe
and its window closed; after a crash the open windows are built again from the topics, with the
same alarm ids, and what was told is not told again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from schemas.alarm import Alarm
from schemas.explanation import Explanation
from workers.notifier.clock import Clock, Now, system_clock
from workers.notifier.deciding.awaited import Awaited
from workers.notifier.deciding.happenings import (
    CONTRADICTION,
    Happening,
    from_gap,
    from_unreadable,
)
from workers.notifier.deciding.rules import Rules
from workers.notifier.deciding.told import Told
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.reading.aside import Aside, reason_of
from workers.notifier.reading.events import Events
from workers.notifier.reading.membership import Membership
from workers.notifier.reading.positions import Reading
from workers.notifier.reading.start import Starts
from workers.notifier.watching.memory import WatchMemory
from workers.notifier.watching.stopped import StoppedWorkers
from workers.notifier.watching.watch import Watch
from workers.runtime.bus.ports import Consumer, Partition, Record
from workers.runtime.errors import Fatal, MembershipLost, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import TopicSettings
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

_POLL_S = 0.2
_AWAY_S = 1.0  # pause while the broker is away
_STALL_S = 1.0  # a longer pause between two polls is our own
_REPEATED = "repeated"


class Feed(Protocol):
    """A topic that is read whole, beside the group."""

    def take(self) -> list[Record]:
        """What came since the last call."""


@dataclass(slots=True)
class Counts:
    """What was read and said."""

    events: int = 0
    unreadable: int = 0  # set aside
    lost: int = 0  # that were gone, or in a batch that cannot be unpacked
    alarms: int = 0
    contradictions: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Notes:
    """What the notifier keeps in its folder; all of it is advice."""

    memory: WatchMemory
    told: Told
    aside: Aside

    @property
    def failing(self) -> bool:
        """Whether the disk does not take some of it."""
        return self.memory.failing or self.told.failing or self.aside.failing


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
        notes: Notes,
        starts: Starts,
        commit_every_s: float,
        stopped: StoppedWorkers | None = None,
        states: Feed | None = None,
        explained: Feed | None = None,
        awaited: Awaited | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._consumer, self._membership = consumer, membership
        self._rules, self.watch, self._delivery = rules, watch, delivery
        self.notes, self._starts, self._states, self._clock = notes, starts, states, clock
        self._stopped = stopped or StoppedWorkers()
        self._explained, self.awaited = explained, awaited or Awaited(0.0)
        self._events = Events(topics, watch, self._stopped)
        self._reading = Reading()
        self._commit_every_s = commit_every_s
        self._polled_s = self._tried_commit_s = clock().s
        self.counts = Counts()
        self.away = False
        self.pulse = Pulse()  # of this thread, while the client is at work

    @property
    def stalled_s(self) -> float:
        """Seconds since the last poll."""
        return self._clock().s - self._polled_s

    def run(self, stop: StopSignal) -> None:
        """Work until a stop is asked for; then close the windows, deliver and commit."""
        while not stop.is_set():
            if not self.step():
                stop.wait(_AWAY_S)
        now = self._clock()
        self._decide(self.awaited.due(now, all_of_them=True), now)
        self._close(self._rules.opened())
        self._commit()

    def step(self, timeout_s: float = _POLL_S) -> bool:
        """One round. False when the broker is away. Raises Fatal."""
        records = self._poll(timeout_s)
        self._follow_group()
        for record in self._states.take() if self._states else ():
            self._take(record)
        for record in self._explained.take() if self._explained else ():
            self._hear(record)
        for record in records or ():
            self._reading.note(record, int(self._clock().utc.timestamp() * 1000))
            self._take(record)
        self._pass_time()
        if self._clock().s - self._tried_commit_s >= self._commit_every_s:
            self._commit()
        return records is not None

    def _poll(self, timeout_s: float) -> list[Record] | None:
        stalled_s = self.stalled_s
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
        if stalled_s > _STALL_S and not self.away:
            self.watch.excuse(stalled_s)
        self._polled_s = self._clock().s
        return records

    def _follow_group(self) -> None:
        """What came, what went, and what is gone from the topics before we read it."""
        now = self._clock()
        gained, gone = self._membership.take()
        if gone:
            self._rules.forget(gone)
            self.awaited.forget(gone)
            self.watch.forget(gone, now)
            self._reading.forget(gone)
        if gained:
            self.watch.activate(gained, now)
        self._starts.begin(self._consumer.begun(), now)
        for gap in self._consumer.gaps():
            self._reading.pass_over(gap)
            self.counts.lost += gap.records
            self._decide([from_gap(gap, now.utc)], now)

    def _hear(self, record: Record) -> None:
        """Pictures of a defect came; what cannot be read is as if it had not come."""
        try:
            self.awaited.hear(Explanation.decode(record.headers, record.value))
        except Exception as error:  # a record can make any code raise anything
            log.warning("explanation passed over", offset=record.offset, reason=reason_of(error))

    def _take(self, record: Record) -> None:
        """Handle a record, or pass it over, or set it aside. The one guard around reading."""
        self.counts.events += 1
        reason = self._starts.passes_over(record)
        if reason:
            self.counts.passed_over[reason] += 1
            return
        now = self._clock()
        try:
            alarms = self._alarms(self._events.read(record, now), now)
        except Fatal:
            raise
        except Exception as error:  # a record can make any code raise anything
            self.counts.unreadable += 1
            why = reason_of(error)
            self.notes.aside.put(record, why, now)
            alarms = self._rules.see(from_unreadable(record, why, now.utc), now)
        self._tell(alarms)

    def _pass_time(self) -> None:
        """What time alone brings about: silences, gaps that stay, windows that close."""
        now = self._clock()
        self._decide(self.watch.tick(now), now)
        self._decide(self.awaited.due(now), now)
        self._close(self._rules.due(now))

    def _decide(self, happenings: Iterable[Happening], now: Now) -> None:
        for happening in happenings:
            self._guarded(lambda one=happening: self._alarms([one], now))  # type: ignore[misc]

    def _close(self, keys: Iterable[tuple[str, str, bool]]) -> None:
        now = self._clock()
        for key in keys:
            self._guarded(lambda one=key: self._rules.close(one, now))  # type: ignore[misc]

    def _guarded(self, alarms: Callable[[], list[Alarm]]) -> None:
        """One that cannot be told costs no other."""
        try:
            found = alarms()
        except Fatal:
            raise
        except Exception:
            log.exception("an alarm could not be made")
            return
        self._tell(found)

    def _alarms(self, happenings: Iterable[Happening], now: Now) -> list[Alarm]:
        """The alarms that are due now; each can be encoded."""
        alarms: list[Alarm] = []
        for happening in happenings:
            if self.awaited.holds(happening, now):
                continue
            known = self._rules.repeated
            alarms += self._rules.see(happening, now)
            if self._rules.repeated > known:
                self.counts.passed_over[_REPEATED] += 1
            elif happening.cause == CONTRADICTION:
                self.counts.contradictions += 1
        for alarm in alarms:
            alarm.encode()
        return alarms

    def _tell(self, alarms: list[Alarm]) -> None:
        fresh = self.notes.told.fresh(alarms)
        if not fresh:
            return
        self.counts.alarms += len(fresh)
        self._delivery.deliver(fresh)
        self.notes.told.note(fresh)

    def _pass_markers(self, owned: frozenset[Partition]) -> None:
        """Without it the lag of a topic that is written in transactions never comes to nothing."""
        with suppress(Transient):
            for partition in owned:
                with self.pulse.watching():
                    position = self._consumer.position(partition)
                if position is not None:
                    self._reading.reach(partition, position)

    def _commit(self) -> None:
        """Commit what needs no second reading; what is remembered goes to the disk before."""
        self._tried_commit_s = self._clock().s
        self.watch.settle(self._rules.is_open)
        owned = self._consumer.assignment()  # what was revoked meanwhile is not ours to commit
        self._pass_markers(owned)
        positions = self._reading.committable(
            self._rules.held(), self.watch.held(), self.awaited.held()
        )
        fresh = {p: n for p, n in self._reading.fresh(positions).items() if p in owned}
        if not fresh or not self._delivery.safe:  # in memory only, and nobody told: not yet
            return
        self.notes.memory.save(self._snapshot(positions))
        try:
            with self.pulse.watching():
                self._consumer.commit(fresh)
        except (MembershipLost, Transient) as error:  # read again by whoever owns them next
            log.warning("positions not committed", error=str(error))
            return
        self._reading.committed(fresh)

    def _snapshot(self, positions: Mapping[Partition, int]) -> dict[str, object]:
        newest = self._reading.newest_ms
        return self.watch.snapshot() | {
            "positions": [[p.topic, p.index, n, newest(p)] for p, n in positions.items()],
            "stopped": self._stopped.snapshot(),
        }
