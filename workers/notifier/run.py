"""Puts the notifier process together and runs it to its end."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from socket import gethostname

import structlog

from workers.notifier.assembly import make_notifier
from workers.notifier.delivering.channels.topic import TopicChannel
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.delivering.make import make_channels
from workers.notifier.delivering.trace import Traces
from workers.notifier.health import health
from workers.notifier.loop import Notifier
from workers.notifier.reading.feed import EXPLANATIONS, TopicFeed
from workers.notifier.reading.membership import Membership
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.ports import Consumer, Producer, Reader, RebalanceListener
from workers.runtime.lifecycle import StopSignal
from workers.runtime.telemetry.tracing import open_tracing
from workers.runtime.watchdog import Pulse, Watchdog

log = structlog.get_logger(__name__)

Connect = Callable[[RebalanceListener], Consumer]


def run_notifier(
    settings: NotifierProcessSettings,
    connect_consumer: Connect,
    connect_producer: Callable[[], Producer],
    stop: StopSignal,
    connect_states: Callable[[Pulse], Reader] | None = None,
    *,
    connect_explained: Callable[[Pulse], Reader] | None = None,
) -> None:
    """Run until a stop is asked for. Raises Fatal."""
    notifier = settings.notifier
    channels = make_channels(notifier.delivery)  # a wrong URL is refused before the broker is asked
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
        with stop.at_once():
            member = connect_consumer(membership)
        feed = TopicFeed(connect_states) if connect_states else nullcontext()
        pictures = (
            TopicFeed(connect_explained, EXPLANATIONS)
            if connect_explained and notifier.picture_wait_s
            else nullcontext()
        )
        with (
            closing(member) as consumer,
            feed as states,
            pictures as explained,
            Delivery(channels, notifier, traces) as delivery,
        ):
            loop = make_notifier(
                *(settings, consumer, membership, delivery), states=states, explained=explained
            )
            log.info("listening", channels=[courier.name for courier in delivery.couriers])
            hung_s = settings.kafka.hung_after_s
            others = [each.pulse for each in (states, explained) if each]
            watchdog = Watchdog(loop.pulse, hung_s, others=others)
            with health(settings.health, loop, consumer, delivery), watchdog:
                loop.run(stop)
    _summary(loop, delivery)


def _summary(loop: Notifier, delivery: Delivery) -> None:
    log.info(
        "notifier done",
        events=loop.counts.events,
        alarms=loop.counts.alarms,
        delivered={courier.name: courier.counts.sent for courier in delivery.couriers},
        undelivered={courier.name: courier.waiting for courier in delivery.couriers},
        refused=sum(courier.counts.refused for courier in delivery.couriers),
        given_up=sum(courier.counts.given_up for courier in delivery.couriers),
    )
