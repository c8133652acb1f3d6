"""The transactional delivery on Apache Kafka, with the answers of the broker lost and refused."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, KafkaConnectionError, KafkaTimeoutError

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.kafka.delivery import committed, connect_delivery, connect_writer
from workers.runtime.bus.kafka.faults import BoundedProducer
from workers.runtime.bus.kafka.rebalance import as_offsets
from workers.runtime.bus.kafka.writing.transactional import Transactional
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.errors import (
    BusUnavailable,
    Fatal,
    MembershipLost,
    MessageTooLarge,
    SettingsError,
)
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


class Bench:
    """A member of a group on a topic of two records, and what a committed reader sees."""

    def __init__(self, kafka: KafkaSettings, prefix: str) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.frames, self.outcomes = f"{prefix}frames", f"{prefix}outcomes"
        create_topics(kafka, {self.frames: 1, self.outcomes: 1})
        self.partition = Partition(self.frames, 0)
        self.group = f"{prefix}inspectors"
        self.consumer = connect_consumer(kafka, self.group, [self.frames], "c")
        while not self.consumer.assignment():
            self.consumer.poll(0.2)
        self.reader = connect_consumer(kafka, f"{prefix}reader", [self.outcomes], "r")
        self.closing: list[Callable[[], None]] = [self.consumer.close, self.reader.close]

    def delivery(self, transactional_id: str = "one") -> Transactional:
        name = f"{self.prefix}{transactional_id}"
        found = connect_delivery(
            self.kafka, self.group, "d", self.consumer, no_commit, transactional_id=name
        )
        assert isinstance(found, Transactional)
        self.closing.insert(0, found.close)
        return found

    def message(self, value: bytes) -> list[Outgoing]:
        return [Outgoing(self.outcomes, WireMessage(b"k", value, ()))]

    def read(self) -> list[bytes | None]:
        """Everything committed so far."""
        found: list[bytes | None] = []
        self.consumer.poll(0.0)
        for _ in range(8):
            found += [record.value for record in self.reader.poll(0.2)]
        return found

    def position(self) -> int | None:
        stored = committed(self.kafka, self.group, "look", [self.partition])
        return stored.get(self.partition)


def no_commit(positions: Any) -> None:
    raise AssertionError("positions belong to the transaction")


@pytest.fixture
def bench(apache_kafka: KafkaSettings, prefix: str) -> Iterator[Bench]:
    bench = Bench(apache_kafka, prefix)
    yield bench
    for close in bench.closing:
        close()


def test_outcomes_and_positions_are_one(bench: Bench) -> None:
    delivery = bench.delivery()
    delivery.settle(bench.message(b"a"), {bench.partition: 1}, delivery.generation())
    assert bench.read() == [b"a"]
    assert bench.position() == 1


def test_a_stale_generation_publishes_nothing_and_leaks_no_position(bench: Bench) -> None:
    delivery, other = bench.delivery(), Partition(bench.frames, 1)
    metadata: Any = delivery.generation()
    stale = metadata._replace(generation_id=metadata.generation_id - 1)
    with pytest.raises(MembershipLost):
        delivery.settle(bench.message(b"stale"), {bench.partition: 1, other: 9}, stale)
    with pytest.raises(MembershipLost):
        delivery.settle(bench.message(b"none"), {bench.partition: 1}, None)
    assert bench.position() is None
    delivery.settle(bench.message(b"again"), {bench.partition: 1}, delivery.generation())
    assert bench.read() == [b"again"]
    assert committed(bench.kafka, bench.group, "look", [other]) == {}


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_commit_without_an_answer_is_looked_up(
    bench: Bench, carried_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, commit = bench.delivery(), BoundedProducer.commit_transaction

    def no_answer(producer: BoundedProducer) -> None:
        if carried_out:
            commit(producer)
        monkeypatch.undo()
        raise KafkaTimeoutError("no answer")

    monkeypatch.setattr(BoundedProducer, "commit_transaction", no_answer)
    for _ in range(2):
        try:
            delivery.settle(bench.message(b"a"), {bench.partition: 1}, delivery.generation())
        except BusUnavailable:
            continue
    delivery.settle(bench.message(b"b"), {bench.partition: 2}, delivery.generation())
    assert bench.read() == [b"a", b"b"]
    assert bench.position() == 2


def test_a_position_that_a_transaction_holds_is_named(bench: Bench) -> None:
    producer = bench.delivery()._ready()
    producer.begin_transaction()
    producer.send(bench.outcomes, b"open").get(5)
    metadata: Any = bench.consumer.generation()
    producer.send_offsets_to_transaction(as_offsets({bench.partition: 1}), metadata)
    impatient = bench.kafka.model_copy(update={"transaction_timeout_ms": 2000})
    with pytest.raises(BusUnavailable, match=rf"{bench.group} on {bench.frames} 0 .*transaction"):
        committed(impatient, bench.group, "look", [bench.partition])


def test_a_doubt_that_was_given_up_swallows_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = bench.delivery()

    def no_answer(producer: BoundedProducer) -> None:
        monkeypatch.undo()
        raise KafkaTimeoutError("no answer")

    monkeypatch.setattr(BoundedProducer, "commit_transaction", no_answer)
    with pytest.raises(BusUnavailable):
        delivery.settle(bench.message(b"lost"), {bench.partition: 1}, delivery.generation())
    delivery.settle(bench.message(b"a word"), {}, delivery.generation())
    assert bench.read() == [b"a word"]


def test_an_eager_rebalance_delivers_again_what_was_not_committed(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    eager = {"assignor": "range", "session_timeout_ms": 30_000}  # nobody is thrown out
    kafka, topic = apache_kafka.model_copy(update=eager), f"{prefix}frames"
    create_topics(kafka, {topic: 2})
    producer = connect_producer(kafka, "p")
    producer.publish(Outgoing(topic, WireMessage(None, b"v", ()), n % 2) for n in range(10))
    first = connect_consumer(kafka, f"{prefix}eager", [topic], "first")
    found = [record for _ in range(20) for record in first.poll(0.1)]
    assert len(found) == 10
    second = connect_consumer(kafka, f"{prefix}eager", [topic], "second")
    again, elsewhere = [], []
    deadline = time.monotonic() + PATIENCE_S
    while not (again and elsewhere) and time.monotonic() < deadline:
        again += first.poll(0.1)
        elsewhere += second.poll(0.1)
    for _ in range(10):
        again += first.poll(0.1)
        elsewhere += second.poll(0.1)
    assert {len(again), len(elsewhere)} == {5}
    for each in (producer, first, second):
        each.close()


def test_a_message_that_is_too_large_leaves_nothing_behind(bench: Bench) -> None:
    delivery = bench.delivery()
    both = [*bench.message(b"small"), *bench.message(bytes(40 * 2**20))]
    with pytest.raises(MessageTooLarge, match=r"kafka\.max_frame_bytes"):
        delivery.settle(both, {bench.partition: 1}, delivery.generation())
    delivery.settle(bench.message(b"small"), {bench.partition: 1}, delivery.generation())
    assert bench.read() == [b"small"]


def test_a_successor_ends_what_its_predecessor_left_open(bench: Bench) -> None:
    first = bench.delivery()
    producer = first._ready()
    producer.begin_transaction()
    producer.send(bench.outcomes, b"open").get(5)
    second = bench.delivery()
    second.settle(bench.message(b"second"), {bench.partition: 1}, second.generation())
    assert bench.read() == [b"second"]  # nobody waited for the transaction's timeout


def test_a_writer_without_positions_is_all_or_nothing(bench: Bench) -> None:
    writer = connect_writer(bench.kafka, "w", f"{bench.prefix}writer")
    with pytest.raises(MessageTooLarge):
        writer.settle([*bench.message(b"no"), *bench.message(bytes(40 * 2**20))], {}, None)
    writer.settle(bench.message(b"yes"), {}, None)
    assert bench.read() == [b"yes"]
    writer.close()


def test_two_workers_with_one_transactional_id_are_told(bench: Bench) -> None:
    ours, theirs = bench.delivery(), bench.delivery()
    with pytest.raises(Fatal, match=r"worker\.transactional_id"):
        for _ in range(6):
            for delivery in (theirs, ours):
                try:
                    delivery.settle([], {bench.partition: 1}, delivery.generation())
                except BusUnavailable:
                    delivery.settle([], {bench.partition: 1}, delivery.generation())


def test_a_worker_starts_while_a_broker_takes_transactions_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([KafkaConnectionError("gone"), CoordinatorLoadInProgressError("loading")])

    def loading(admin: KafkaAdminClient) -> None:
        raise next(answers)

    monkeypatch.setattr(KafkaAdminClient, "list_transactions", loading)
    delivery = bench.delivery()
    assert next(answers, None) is None
    delivery.settle(bench.message(b"a"), {bench.partition: 1}, delivery.generation())
    assert bench.read() == [b"a"]


def test_a_broker_without_transactions_delivers_at_least_once(prefix: str) -> None:
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        delivery = connect_delivery(kafka, "g", "d", None, no_commit)  # type: ignore[arg-type]
        assert isinstance(delivery, AtLeastOnce)
        assert "at least once" in delivery.guarantee
        delivery.close()
        with pytest.raises(SettingsError, match=r"worker\.delivery.*cannot do exactly-once"):
            connect_delivery(
                kafka,
                "g",
                "d",
                None,
                no_commit,
                guarantee="exactly-once",  # type: ignore[arg-type]
            )
