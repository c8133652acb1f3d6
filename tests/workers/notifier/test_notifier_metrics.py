"""What a notifier tells of itself over HTTP."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alarms import Ear, alarm, deliver_to, until
from prometheus_client.parser import text_string_to_metric_families

from schemas.documents import samples
from workers.notifier.delivering.channels.channel import DeliveryFailed
from workers.notifier.health import health
from workers.notifier.reading.membership import Membership
from workers.notifier.run import make_notifier
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing

READ = ["outcomes", "defects", "dead-letters"]


def deaf(alarms: object) -> None:
    raise DeliveryFailed("deaf")


def test_alarms_are_told_by_channel(tmp_path: Path) -> None:
    broker, membership = MemoryBroker(), Membership()
    broker.producer().publish([Outgoing("defects", samples.DEFECT.encode())])
    settings = NotifierProcessSettings.load(None, {"notifier.folder": tmp_path})
    mail = Ear("mail")
    mail.trouble = deaf
    with deliver_to(tmp_path, Ear("phone"), mail, attempts=1) as delivery:
        consumer = broker.consumer("n", READ, membership)
        loop = make_notifier(settings, consumer, membership, delivery)
        for _ in range(4):
            loop.step(0)
        phone, deaf_one = delivery.couriers
        until(lambda: phone.counts.sent and deaf_one.counts.failed)
        server = health(settings.health, loop, consumer, delivery)
        status, _, body = server.answer("/metrics")
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
    assert told["notifier_failed_deliveries_total", "mail"] >= 1
    assert told["notifier_refused_alarms_total", "mail"] == 0
    assert told["notifier_hanging_seconds", "mail"] == 0
    assert told["notifier_in_memory_alarms", ""] == told["notifier_unrouted_alarms_total", ""] == 0
    assert told["notifier_channel_busy_seconds_total", "phone"] > 0
    assert (
        told["notifier_undelivered_alarms", "phone"],
        told["notifier_undelivered_alarms", "mail"],
    ) == (0, 1)
    assert told["notifier_oldest_undelivered_seconds", "phone"] == 0
    assert 0 < told["notifier_oldest_undelivered_seconds", "mail"] < 60


def test_a_channel_that_hangs_is_a_note_and_no_reason_to_be_unready(tmp_path: Path) -> None:
    broker, membership, release = MemoryBroker(), Membership(), threading.Event()
    settings = NotifierProcessSettings.load(None, {"notifier.folder": tmp_path})
    hung = Ear("hung")
    hung.trouble = lambda alarms: release.wait(20) and None
    with deliver_to(tmp_path, hung, timeout_s=0.05, drain_s=0) as delivery:
        consumer = broker.consumer("n", READ, membership)
        loop = make_notifier(settings, consumer, membership, delivery)
        loop.step(0)
        delivery.deliver([alarm(1)])
        until(lambda: delivery.couriers[0].hanging)
        assert 0.05 <= delivery.couriers[0].hanging_s() < 20
        server = health(settings.health, loop, consumer, delivery)
        assert server.answer("/livez")[0] == 200
        assert server.answer("/readyz") == (200, "text/plain", b"ok; channel hung hangs\n")
        release.set()


def test_the_oldest_alarm_has_its_age(tmp_path: Path) -> None:
    delivery, now = deliver_to(tmp_path, Ear("mail")), datetime.now(UTC)
    for minutes in (5, 3):
        delivery.deliver([alarm(minutes, raised_at=now - timedelta(minutes=minutes))])
    assert 300 <= delivery.couriers[0].oldest_s() < 310
