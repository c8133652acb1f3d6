"""A machine whose clock is ahead by hours still writes; Kafka refuses records from the future."""

import time
from contextlib import closing

import pytest
from kafka.record import default_records

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.kafka.writing import producer, stamps
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

AHEAD_S = 7200.0


@pytest.fixture(autouse=True)
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records get the time of a clock that is two hours ahead."""
    real = time.time
    init = default_records.DefaultRecordBatchBuilder.append
    monkeypatch.setattr(producer, "STAMPS", stamps.Stamps())

    def append(  # noqa: PLR0917  (the client's)
        self: object,
        offset: int,
        timestamp: int | None,
        key: bytes,
        value: bytes,
        headers: object,
        **how: object,
    ) -> object:
        if timestamp is None:
            timestamp = int((real() + AHEAD_S) * 1000)
        return init(self, offset, timestamp, key, value, headers, **how)

    monkeypatch.setattr(default_records.DefaultRecordBatchBuilder, "append", append)


def messages(topic: str, *values: bytes) -> list[Outgoing]:
    return [Outgoing(topic, WireMessage(b"key", value, ())) for value in values]


def test_what_a_machine_with_a_wrong_clock_writes_is_written(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    topic = f"{prefix}outcomes"
    create_topics(apache_kafka, {topic: 1})
    begun = time.monotonic()
    with closing(connect_producer(apache_kafka, "camera")) as camera:
        camera.publish(messages(topic, b"1", b"2"))
        camera.publish(messages(topic, b"3"))
    producer.STAMPS = stamps.Stamps()
    with closing(connect_writer(apache_kafka, "worker", f"{prefix}worker")) as worker:
        worker.settle(messages(topic, b"4", b"5"), {}, None)
        worker.settle(messages(topic, b"6"), {}, None)
    found = list(read_topic(apache_kafka, topic))
    assert [record.value for record in found] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert {record.timestamp_ms for record in found} == {-1}
    assert time.monotonic() - begun < PATIENCE_S
