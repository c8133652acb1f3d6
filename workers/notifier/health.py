"""What a notifier tells of itself over HTTP."""

from collections.abc import Callable

from workers.notifier.assembly import tell
from workers.notifier.delivering.courier import Courier
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.loop import Notifier
from workers.runtime.bus.ports import Consumer
from workers.runtime.errors import TopicMissing
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.notifier import NotifierMetrics
from workers.runtime.telemetry.metrics.table import Values

_LATE_S = 15.0  # longer than one answer of the broker takes
_STALLED_S = 120.0  # the loop waits for no channel, only for the broker and the disk


def health(
    settings: HealthSettings, loop: Notifier, consumer: Consumer, delivery: Delivery
) -> HealthServer:
    """The port. Neither check asks the channels: a channel costs itself only, and is a note."""

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
    tell(metrics, loop)
    _tell_delivery(metrics, delivery)
    return HealthServer(settings, metrics.registry, live=live, ready=ready, notes=delivery.problem)


def _tell_delivery(metrics: NotifierMetrics, delivery: Delivery) -> None:
    def each(figure: Callable[[Courier], float]) -> Callable[[], Values]:
        return lambda: {(courier.name,): figure(courier) for courier in delivery.couriers}

    metrics.delivered.ask(each(lambda courier: courier.counts.sent))
    metrics.failures.ask(each(lambda courier: courier.counts.failed))
    metrics.refused.ask(each(lambda courier: courier.counts.refused))
    metrics.given_up.ask(each(lambda courier: courier.counts.given_up))
    metrics.busy.ask(each(lambda courier: courier.counts.busy_s))
    metrics.hanging.ask(each(lambda courier: courier.hanging_s()))
    metrics.undelivered.ask(each(lambda courier: courier.waiting))
    metrics.oldest.ask(each(lambda courier: courier.oldest_s()))
    metrics.unrouted.ask_one(lambda: delivery.unrouted)
    metrics.in_memory.ask_one(lambda: delivery.outbox.in_memory)
