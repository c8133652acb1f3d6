"""The in-memory broker keeps the rules that the Kafka adapter is used under."""

import pytest

from schemas.envelope import WireMessage
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker, MemoryConsumer
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import (
    Gap,
    GapCause,
    Handover,
    Outgoing,
    Partition,
    RebalanceListener,
)
from workers.runtime.errors import BusUnavailable, MembershipLost

P, Q = Partition("frames", 0), Partition("frames", 1)


class Listener(RebalanceListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, frozenset[Partition]]] = []
        self.settled: dict[Partition, int] = {}

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.told.append(("assigned", partitions))

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.told.append(("revoked", partitions))

    def handover(self, partitions: frozenset[Partition]) -> Handover:
        return Handover(True, self.settled)

    def lost(self, partitions: frozenset[Partition]) -> None:
        self.told.append(("lost", partitions))


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topic("frames", 2)
    for partition in (0, 0, 0, 1):
        broker.append(Outgoing("frames", WireMessage(b"k", b"v", ()), partition))
    return broker


def offsets(consumer: MemoryConsumer) -> list[tuple[int, int]]:
    found = []
    while records := consumer.poll(0):
        found += [(record.partition.index, record.offset) for record in records]
    return found


def test_a_group_reads_each_record_once(broker: MemoryBroker) -> None:
    consumer = broker.consumer("g", ["frames"])
    assert offsets(consumer) == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert consumer.lag() == {P: 0, Q: 0}


def test_a_paused_partition_is_not_read(broker: MemoryBroker) -> None:
    consumer = broker.consumer("g", ["frames"])
    consumer.pause([P])
    assert offsets(consumer) == [(1, 0)]
    consumer.resume([P])
    assert offsets(consumer) == [(0, 0), (0, 1), (0, 2)]


def test_a_new_member_takes_half_and_the_rest_keeps_its_position(broker: MemoryBroker) -> None:
    listener = Listener()
    first = broker.consumer("g", ["frames"], listener)
    offsets(first)
    listener.settled = {Q: 1}
    second = broker.consumer("g", ["frames"])
    assert listener.told == [("assigned", frozenset({P, Q})), ("revoked", frozenset({Q}))]
    assert offsets(second) == []  # the handover committed position 1
    assert offsets(first) == []  # kept partitions are not read again
    second.close()
    assert first.assignment() == {P, Q}


def test_an_expelled_member_may_not_commit_and_its_records_come_again(
    broker: MemoryBroker,
) -> None:
    listener = Listener()
    first, second = broker.consumer("g", ["frames"], listener), broker.consumer("g", ["frames"])
    offsets(first)
    broker.expel(first)
    assert listener.told[-1] == ("lost", frozenset({P}))
    with pytest.raises(MembershipLost):
        first.commit({P: 3})
    assert (0, 0) in offsets(second)


def test_a_broker_that_is_away(broker: MemoryBroker) -> None:
    consumer = broker.consumer("g", ["frames"])
    broker.available = False
    with pytest.raises(BusUnavailable):
        consumer.poll(0)
    with pytest.raises(BusUnavailable):
        broker.producer().publish([Outgoing("frames", WireMessage(None, b"", ()))])


def test_at_least_once_publishes_before_it_commits(broker: MemoryBroker) -> None:
    committed: list[dict[Partition, int]] = []
    delivery = AtLeastOnce(broker.producer(), lambda positions: committed.append(dict(positions)))
    message = Outgoing("outcomes", WireMessage(b"k", b"v", ()))
    delivery.settle([message], {P: 1}, None)
    assert (len(broker.records("outcomes")), committed) == (1, [{P: 1}])
    broker.available = False
    with pytest.raises(BusUnavailable):
        delivery.settle([message], {P: 2}, None)
    assert committed == [{P: 1}]


def test_what_expired_or_is_spoiled_is_a_gap_before_what_follows(broker: MemoryBroker) -> None:
    for _ in range(4):
        broker.append(Outgoing("frames", WireMessage(b"k", b"v", ()), 0))
    broker.expire(P, before=1)
    broker.spoil(P, 3, 4, "wrong checksum")
    expected = [Gap(P, 0, 0), Gap(P, 3, 4, GapCause.UNREADABLE, "wrong checksum")]
    consumer = broker.consumer("g", ["frames"])
    for reader in (consumer, MemoryReader(broker, "frames", 50)):
        gaps, told = [], []
        for _ in range(10):
            records = reader.poll(0)
            gaps += reader.gaps()
            told += [record.offset for record in records if record.partition == P]
        assert (told, gaps) == ([1, 2, 5, 6], expected)
    assert consumer.missing() == frozenset()
