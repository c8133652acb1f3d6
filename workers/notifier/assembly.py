"""Puts the reading and the deciding half together, with what they remember."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from workers.notifier.clock import Clock, system_clock
from workers.notifier.deciding.awaited import Awaited
from workers.notifier.deciding.rules import Rules
from workers.notifier.deciding.told import Told
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.loop import Feed, Notes, Notifier
from workers.notifier.reading.aside import Aside
from workers.notifier.reading.membership import Membership
from workers.notifier.reading.start import Starts, remembered
from workers.notifier.settings import NotifierProcessSettings, NotifierSettings
from workers.notifier.watching.memory import WatchMemory
from workers.notifier.watching.stopped import StoppedWorkers
from workers.notifier.watching.watch import Watch
from workers.runtime.bus.ports import Consumer, Partition, Start
from workers.runtime.telemetry.metrics.notifier import NotifierMetrics

log = structlog.get_logger(__name__)


def make_notifier(
    settings: NotifierProcessSettings,
    consumer: Consumer,
    membership: Membership,
    delivery: Delivery,
    *,
    states: Feed | None = None,
    explained: Feed | None = None,
    clock: Clock = system_clock,
) -> Notifier:
    """The loop with its rules and what it remembers."""
    notifier = settings.notifier
    memory = WatchMemory(notifier.folder)
    snapshot = memory.load() or {}
    watch, stopped = Watch(notifier.watch, clock()), StoppedWorkers()
    watch.restore(snapshot, clock())
    stopped.restore(snapshot.get("stopped", ()))
    return Notifier(
        consumer,
        membership,
        Rules(notifier.rules),
        watch,
        delivery,
        topics=settings.topics,
        notes=Notes(
            memory, Told(notifier.folder), Aside(notifier.folder, notifier.aside_max_bytes)
        ),
        starts=_starts(notifier, snapshot),
        commit_every_s=notifier.commit_every_s,
        stopped=stopped,
        states=states,
        explained=explained,
        awaited=Awaited(notifier.picture_wait_s if explained else 0.0),
        clock=clock,
    )


def start_of(notifier: NotifierSettings) -> Callable[[Partition], Start]:
    """Where the broker's client begins a partition that the group has no position for."""
    starts = _starts(notifier, WatchMemory(notifier.folder).load() or {})
    return lambda partition: starts.start_of(partition, system_clock())


def _starts(notifier: NotifierSettings, snapshot: Mapping[str, Any]) -> Starts:
    """To begin at the end is to take nothing that is older than now."""
    max_age_s = notifier.max_age_s if notifier.from_beginning else 0.0
    return Starts(remembered(snapshot), max_age_s)


def tell(metrics: NotifierMetrics, loop: Notifier) -> None:
    """What is read and decided, as metrics."""
    counts, watch = loop.counts, loop.watch
    metrics.stalled.ask_one(lambda: loop.stalled_s)
    metrics.events.ask_one(lambda: counts.events)
    metrics.unreadable.ask_one(lambda: counts.unreadable)
    metrics.lost.ask_one(lambda: counts.lost)
    metrics.alarms.ask_one(lambda: counts.alarms)
    metrics.withheld.ask_one(lambda: loop.notes.told.withheld)
    metrics.passed_over.ask(lambda: {(why,): n for why, n in dict(counts.passed_over).items()})
    metrics.pictures.ask(lambda: {(how,): n for how, n in dict(loop.awaited.counts).items()})
    metrics.contradictions.ask_one(lambda: counts.contradictions)
    metrics.repeated_ids.ask_one(lambda: watch.identities.repeated)
    metrics.cameras.ask_one(lambda: len(watch.roster))
    metrics.silent.ask_one(lambda: watch.silent)
    metrics.crowded_out.ask_one(lambda: watch.roster.crowded_out)
    metrics.notes_failing.ask_one(lambda: float(loop.notes.failing))
