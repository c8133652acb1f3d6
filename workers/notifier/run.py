"""Puts the notifier process together and runs it to its end."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from socket import gethostname

import stamina
import stamina.instrumentation
import structlog
from rich.console import Console
from rich.table import Table

from workers.notifier.channels import (
    AppriseChannel,
    Channel,
    ConsoleChannel,
    FileChannel,
    TopicChannel,
)
from workers.notifier.deliver import Courier, Delivery
from workers.notifier.loop import Membership, Notifier, utc_now
from workers.notifier.memory import NOTHING_KNOWN, WatchMemory
from workers.notifier.rules import Rules
from workers.notifier.settings import NotifierProcessSettings, NotifierSettings
from workers.notifier.trace import Traces
from workers.notifier.undelivered import Undelivered, read_alarms
from workers.notifier.watch import Watch
from workers.runtime.bus.ports import Consumer, Producer, RebalanceListener
from workers.runtime.errors import SettingsError, TopicMissing
from workers.runtime.lifecycle import StopSignal
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.notifier import NotifierMetrics
from workers.runtime.telemetry.metrics.table import Values
from workers.runtime.telemetry.tracing import open_tracing
from workers.runtime.watchdog import Watchdog

log = structlog.get_logger(__name__)

_STALLED_S = 120.0  # many channels may fail slowly one after another; a hang lasts longer
_LATE_S = 15.0  # longer than one answer of the broker takes

Connect = Callable[[RebalanceListener], Consumer]


def run_notifier(
    settings: NotifierProcessSettings,
    connect_consumer: Connect,
    connect_producer: Callable[[], Producer],
    stop: StopSignal,
) -> None:
    """Run until a stop is asked for. Raises Fatal."""
    notifier = settings.notifier
    stamina.instrumentation.set_on_retry_hooks([])  # a failed channel is logged once, by us
    channels = make_channels(settings)  # a wrong URL is refused before the broker is asked
    _warn_of_orphans(notifier, channels)
    membership = Membership()
    with stop.at_once():
        found = connect_producer()
    with (
        closing(found) as producer,
        open_tracing(settings.tracing, "notifier", gethostname()) as tracing,
    ):
        if notifier.delivery.topic:
            channels.append(TopicChannel(producer, settings.topics.alarms))
        traces = Traces(tracing) if tracing else None
        delivery = Delivery(make_couriers(channels, notifier, traces), utc_now)
        with stop.at_once():
            member = connect_consumer(membership)
        with closing(member) as consumer:
            loop = make_notifier(settings, consumer, membership, delivery)
            log.info("listening", channels=[courier.name for courier in delivery.couriers])
            hung_s = settings.kafka.hung_after_s
            with _health(settings, loop, consumer, delivery), Watchdog(loop.pulse, hung_s):
                loop.run(stop)
    _summary(loop, delivery)


def make_notifier(
    settings: NotifierProcessSettings,
    consumer: Consumer,
    membership: Membership,
    delivery: Delivery,
) -> Notifier:
    """The loop with its rules and what it remembers."""
    notifier = settings.notifier
    memory = WatchMemory(notifier.folder)
    watch = _remembering_watch(notifier, memory)
    return Notifier(
        consumer,
        membership,
        Rules(notifier.rules),
        watch,
        delivery,
        topics=settings.topics,
        memory=memory,
        commit_every_s=notifier.commit_every_s,
    )


def _remembering_watch(notifier: NotifierSettings, memory: WatchMemory) -> Watch:
    watch = Watch(notifier.watch, utc_now())
    try:
        watch.restore(memory.load() or NOTHING_KNOWN, utc_now())
    except (KeyError, TypeError, ValueError) as error:  # the file is of another version, or damaged
        log.warning("cameras are watched anew", reason=f"watch.json: {error!r}")
        return Watch(notifier.watch, utc_now())
    return watch


def make_channels(settings: NotifierProcessSettings) -> list[Channel]:
    """The channels that need no broker. Raises SettingsError."""
    delivery = settings.notifier.delivery
    channels: list[Channel] = []
    if delivery.console:
        channels.append(ConsoleChannel(Console()))
    if delivery.file:
        channels.append(FileChannel(delivery.file))
    channels += [AppriseChannel(url) for url in delivery.apprise_urls]
    if not channels and not delivery.topic:
        raise SettingsError(
            "notifier.delivery: alarms go nowhere; set console, topic, file or apprise_urls"
        )
    return channels


def make_couriers(
    channels: Iterable[Channel], notifier: NotifierSettings, traces: Traces | None = None
) -> list[Courier]:
    """A courier with its own undelivered alarms for each channel."""
    folder, settings = undelivered_folder(notifier), notifier.delivery
    return [
        Courier(
            channel,
            Undelivered(folder, channel.name, settings.undelivered_max_bytes),
            settings,
            traces,
        )
        for channel in channels
    ]


def undelivered_folder(notifier: NotifierSettings) -> Path:
    """Where undelivered alarms are kept."""
    return notifier.folder / "undelivered"


def show_undelivered(notifier: NotifierSettings, console: Console) -> int:
    """List what could not be delivered yet; returns how much it is."""
    table = Table("channel", "raised", "severity", "alarm", title="undelivered alarms")
    count = 0
    for path in sorted(undelivered_folder(notifier).glob("*.jsonl")):
        for alarm in read_alarms(path):
            count += 1
            raised = f"{alarm.raised_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(path.stem, raised, alarm.severity.value, alarm.message)
    console.print(table if count else "every alarm was delivered")
    return count


def _warn_of_orphans(notifier: NotifierSettings, channels: Iterable[Channel]) -> None:
    """Alarms of a channel that is not configured any more stay on disk; that must be seen."""
    names = {channel.name for channel in channels} | {TopicChannel.name}
    for path in undelivered_folder(notifier).glob("*.jsonl"):
        if path.stem not in names:
            log.warning("undelivered alarms of a channel that is not configured", file=str(path))


def _health(
    settings: NotifierProcessSettings, loop: Notifier, consumer: Consumer, delivery: Delivery
) -> HealthServer:
    def ready() -> str | None:
        if loop.away:
            return "the broker is away"
        if loop.pulse.silent_s > _LATE_S:
            return f"no answer from the broker's client for {loop.pulse.silent_s:.0f} s"
        if missing := consumer.missing():
            return str(TopicMissing(missing))
        return None if consumer.stable() else "waiting for partitions"

    def live() -> str | None:
        stalled = loop.stalled_s
        return f"no poll for {stalled:.0f} s" if stalled > _STALLED_S else None

    metrics = NotifierMetrics()
    metrics.ready.ask_one(lambda: float(ready() is None))
    metrics.stalled.ask_one(lambda: loop.stalled_s)
    metrics.events.ask_one(lambda: loop.counts.events)
    metrics.unreadable.ask_one(lambda: loop.counts.unreadable)
    metrics.passed_over.ask_one(lambda: loop.counts.passed_over)
    metrics.alarms.ask_one(lambda: loop.counts.alarms)
    _tell_couriers(metrics, delivery.couriers)
    return HealthServer(settings.health, metrics.registry, live=live, ready=ready)


def _tell_couriers(metrics: NotifierMetrics, couriers: Sequence[Courier]) -> None:
    def each(figure: Callable[[Courier], float]) -> Callable[[], Values]:
        return lambda: {(courier.name,): figure(courier) for courier in couriers}

    metrics.delivered.ask(each(lambda courier: courier.sent))
    metrics.failures.ask(each(lambda courier: courier.failed))
    metrics.given_up.ask(each(lambda courier: courier.given_up))
    metrics.undelivered.ask(each(lambda courier: courier.waiting))
    metrics.oldest.ask(each(lambda courier: courier.oldest_s(utc_now())))


def _summary(loop: Notifier, delivery: Delivery) -> None:
    log.info(
        "notifier done",
        events=loop.counts.events,
        alarms=loop.counts.alarms,
        delivered={courier.name: courier.sent for courier in delivery.couriers},
        undelivered={courier.name: courier.waiting for courier in delivery.couriers},
        given_up=sum(courier.given_up for courier in delivery.couriers),
    )
