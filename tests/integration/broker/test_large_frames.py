"""Frames that one answer of the broker has no room for come alone, and keep nobody waiting."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.ports import Consumer, Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

LARGE, SMALL = bytes(6 * 2**20), b"small"  # bytes
COUNT, SMALL_ONES = 5, 40


@pytest.fixture(params=["embedded", "apache"])
def kafka(request: pytest.FixtureRequest) -> Iterator[KafkaSettings]:
    if request.param == "apache":
        yield request.getfixturevalue("apache_kafka")
        return
    with EmbeddedBroker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


def test_small_frames_of_other_partitions_do_not_wait_for_all_large_ones(
    kafka: KafkaSettings, prefix: str
) -> None:
    topic = f"{prefix}frames"
    create_topics(kafka, {topic: 3})
    with contextlib.closing(connect_producer(kafka, "camera")) as camera:
        camera.publish(Outgoing(topic, WireMessage(None, LARGE, ()), 0) for _ in range(COUNT))
        small = WireMessage(None, SMALL, ())
        camera.publish(Outgoing(topic, small, 1 + n % 2) for n in range(SMALL_ONES))
    with contextlib.closing(connect_consumer(kafka, f"{prefix}g", [topic], "reader")) as reader:
        found = order_of(reader, COUNT + SMALL_ONES)
    assert found.count("large") == COUNT
    assert found.count("small") == SMALL_ONES
    assert found[-1] == "large"  # small ones came between them


def order_of(reader: Consumer, count: int) -> list[str]:
    """What came, in its order."""
    found: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        for record in reader.poll(0.2):
            assert record.value in {LARGE, SMALL}
            found.append("large" if record.value == LARGE else "small")
    return found
