"""What a notifier tells of itself over HTTP."""

from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from schemas.alarm import Alarm
from schemas.documents import samples
from workers.notifier.channels import DeliveryFailed
from workers.notifier.deliver import Courier, Delivery
from workers.notifier.loop import Membership, utc_now
from workers.notifier.run import _health, make_notifier
from workers.notifier.settings import DeliverySettings, NotifierProcessSettings
from workers.notifier.undelivered import Undelivered
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing

READ = ["outcomes", "defects", "dead-letters"]


class Ear:
    """A channel that may be deaf."""

    def __init__(self, name: str, deaf: bool) -> None:
        self.name, self.deaf = name, deaf

    def send(self, alarm: Alarm) -> None:
        if self.deaf:
            raise DeliveryFailed("deaf")


def test_alarms_are_told_by_channel(tmp_path: Path) -> None:
    broker, membership = MemoryBroker(), Membership()
    broker.producer().publish([Outgoing("defects", samples.DEFECT.encode())])
    settings = NotifierProcessSettings.load(None, {"notifier.folder": tmp_path})
    tries = DeliverySettings(attempts=1)
    couriers = [
        Courier(ear, Undelivered(tmp_path / "undelivered", ear.name, 2**20), tries)
        for ear in (Ear("phone", deaf=False), Ear("mail", deaf=True))
    ]
    delivery = Delivery(couriers, utc_now)
    consumer = broker.consumer("n", READ, membership)
    loop = make_notifier(settings, consumer, membership, delivery)
    for _ in range(4):
        loop.step(0)
    status, _, body = _health(settings, loop, consumer, delivery).answer("/metrics")
    assert status == 200
    told = {
        (sample.name, sample.labels.get("channel", "")): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    assert told["notifier_ready", ""] == 1
    assert told["notifier_events_total", ""] == 1
    assert told["notifier_alarms_total", ""] == 1
    assert (
        told["notifier_delivered_alarms_total", "phone"],
        told["notifier_delivered_alarms_total", "mail"],
    ) == (1, 0)
    assert told["notifier_failed_deliveries_total", "mail"] == 1
    assert (
        told["notifier_undelivered_alarms", "phone"],
        told["notifier_undelivered_alarms", "mail"],
    ) == (0, 1)
    assert told["notifier_oldest_undelivered_seconds", "phone"] == 0
    assert 0 < told["notifier_oldest_undelivered_seconds", "mail"] < 60


def test_the_oldest_alarm_has_its_age(tmp_path: Path) -> None:
    courier = Courier(
        Ear("mail", deaf=True), Undelivered(tmp_path, "mail", 2**20), DeliverySettings(attempts=1)
    )
    now = utc_now()
    for minutes in (5, 3):
        alarm = samples.ALARM.model_copy(
            update={"raised_at": now - timedelta(minutes=minutes), "count": minutes}
        )
        courier.deliver(alarm, now)
    assert courier.oldest_s(now) == 300
