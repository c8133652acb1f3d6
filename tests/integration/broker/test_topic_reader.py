"""A topic read outside any group, from a moment on, on both brokers."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Delivery, Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture(params=["embedded", "apache"])
def kafka(request: pytest.FixtureRequest) -> KafkaSettings:
    if request.param == "apache":
        found: KafkaSettings = request.getfixturevalue("apache_kafka")
        return found
    broker = EmbeddedBroker().start()
    request.addfinalizer(broker.stop)
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


def write(writer: Delivery, topic: str, *values: bytes) -> None:
    """One transaction, where there are any: its marker is a record that nobody reads."""
    messages = [Outgoing(topic, WireMessage(value, value, ())) for value in values]
    writer.settle(messages, {}, None)


def read(kafka: KafkaSettings, topic: str, since: datetime | None = None) -> list[bytes | None]:
    with closing(KafkaReader(kafka, topic, "reader", since)) as reader:
        found = []
        deadline = time.monotonic() + PATIENCE_S
        while not reader.at_end():
            found += [record.value for record in reader.poll(0.2)]
            assert time.monotonic() < deadline
        assert reader.left() <= reader.partitions  # markers
        return sorted(found, key=str)


def test_a_topic_is_read_to_its_end_from_a_moment_on(kafka: KafkaSettings, prefix: str) -> None:
    topic = f"{prefix}frames"
    create_topics(kafka, {topic: 2})
    with closing(connect_writer(kafka, "writer", f"{prefix}writer")) as writer:
        old, new = [b"old-%d" % n for n in range(5)], [b"new-%d" % n for n in range(5)]
        write(writer, topic, *old)
        time.sleep(0.1)
        moment = datetime.now(UTC)
        time.sleep(0.1)
        write(writer, topic, *new)
        assert read(kafka, topic) == sorted(new + old)
        assert read(kafka, topic, moment) == sorted(new)
        assert read(kafka, f"{prefix}nothing") == []


def test_a_reader_follows_and_disturbs_no_group(kafka: KafkaSettings, prefix: str) -> None:
    topic = f"{prefix}frames"
    create_topics(kafka, {topic: 1})
    with (
        closing(connect_writer(kafka, "writer", f"{prefix}writer")) as writer,
        closing(connect_consumer(kafka, f"{prefix}group", [topic], "member")) as member,
        closing(KafkaReader(kafka, topic, "reader")) as reader,
    ):
        for number in range(3):
            write(writer, topic, b"%d" % number)
            heard: list[bytes | None] = []
            deadline = time.monotonic() + PATIENCE_S
            while not heard:
                heard = [record.value for record in reader.poll(0.2)]
                assert time.monotonic() < deadline
            assert heard == [b"%d" % number]
        taken: list[bytes | None] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(taken) < 3:
            taken += [record.value for record in member.poll(0.2)]
            assert time.monotonic() < deadline
        assert taken == [b"0", b"1", b"2"]


def test_a_topic_that_is_written_all_the_time_has_an_end(kafka: KafkaSettings, prefix: str) -> None:
    topic, over = f"{prefix}dead-letters", threading.Event()
    create_topics(kafka, {topic: 2})
    before = [b"before-%d" % n for n in range(200)]
    with closing(connect_producer(kafka, "writer")) as writer:

        def publish(*values: bytes) -> None:
            writer.publish([Outgoing(topic, WireMessage(value, value, ())) for value in values])

        def flood() -> None:
            while not over.is_set():
                publish(*(b"later-%d" % n for n in range(500)))

        publish(*before)
        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            time.sleep(0.5)
            begun, found = time.monotonic(), []
            for record in read_topic(kafka, topic):
                found.append(record.value)
                assert time.monotonic() - begun < 60
        finally:
            over.set()
            flooding.join()
    assert set(before) <= set(found)
