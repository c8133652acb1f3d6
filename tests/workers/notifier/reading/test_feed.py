"""The feed of camera states: whole, beside the group, and never in the way."""

import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from schemas.documents import samples
from workers.notifier.reading.feed import TopicFeed
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing, Reader, Record
from workers.runtime.errors import AccessDenied
from workers.runtime.watchdog import Pulse

TOPIC = "camera-states"


class Patient(MemoryReader):
    """A poll takes its time, as on a broker."""

    def poll(self, timeout_s: float) -> list[Record]:
        time.sleep(0.01)
        return super().poll(timeout_s)


def publish(broker: MemoryBroker, count: int) -> None:
    broker.producer().publish(Outgoing(TOPIC, samples.CAMERA_STATE.encode()) for _ in range(count))


def gathered(feed: TopicFeed, count: int) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        found += feed.take()
        time.sleep(0.01)
    return found


def test_what_was_announced_before_the_start_is_read_too() -> None:
    broker = MemoryBroker()
    publish(broker, 5)
    with TopicFeed(lambda pulse: Patient(broker, TOPIC)) as feed:
        assert len(gathered(feed, 5)) == 5
        publish(broker, 2)
        assert len(gathered(feed, 2)) == 2


def failing(first: Exception | None, broker: MemoryBroker) -> Callable[[Pulse], Reader]:
    tries = []

    def connect(pulse: Pulse) -> Reader:
        tries.append(1)
        if len(tries) == 1 and first:
            raise first
        return Patient(broker, TOPIC)

    return connect


@pytest.mark.slow
def test_a_topic_that_is_missing_or_closed_is_said_once_and_looked_for_again() -> None:
    broker = MemoryBroker()
    with (
        capture_logs() as logs,
        TopicFeed(failing(AccessDenied("Read is not allowed"), broker), again_s=0.05) as feed,
    ):
        time.sleep(0.3)
        assert feed.take() == []
        publish(broker, 1)
        assert len(gathered(feed, 1)) == 1
    assert [entry["reason"] for entry in logs] == ["Read is not allowed"]


def test_a_fault_of_the_client_ends_nothing() -> None:
    broker = MemoryBroker()
    publish(broker, 1)
    with TopicFeed(failing(KeyError("inside"), broker), again_s=0.05) as feed:
        assert len(gathered(feed, 1)) == 1
