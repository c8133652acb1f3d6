"""A member that the group put out: nothing it knows of its partitions may count any more."""

import time

import pytest

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.ports import Outgoing, Partition, RebalanceListener
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


class Heard(RebalanceListener):
    def __init__(self) -> None:
        self.told: list[str] = []

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.told.append("assigned")

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.told.append("revoked")

    def lost(self, partitions: frozenset[Partition]) -> None:
        self.told.append("lost")


@pytest.mark.parametrize("assignor", ["cooperative-sticky", "range"])
def test_a_member_put_out_while_it_joins_again_loses_its_partitions(
    apache_kafka: KafkaSettings, prefix: str, assignor: str
) -> None:
    """Its process stood still in the middle of a rebalance, and others went on without it."""
    topic = f"{prefix}frozen"
    create_topics(apache_kafka, {topic: 1})
    producer, heard = connect_producer(apache_kafka, "p"), Heard()
    producer.publish([Outgoing(topic, WireMessage(None, b"v", ())) for _ in range(3)])
    own = apache_kafka.model_copy(update={"assignor": assignor})
    consumer = connect_consumer(own, topic, [topic], "first", heard)
    until = time.monotonic() + PATIENCE_S
    read = 0
    while read < 3 and time.monotonic() < until:
        read += len(consumer.poll(0.1))

    coordinator = consumer._client._coordinator
    coordinator.rejoining = True  # it had begun to join, and told what it had to
    coordinator.reset_generation()  # what a refused join or sync does
    again = []
    while len(again) < 3 and time.monotonic() < until:
        again += consumer.poll(0.1)  # nothing was committed

    assert heard.told[:2] == ["assigned", "lost"]
    assert heard.told[-1] == "assigned"
    assert [record.offset for record in again] == [0, 1, 2]
    consumer.close()
    producer.close()
