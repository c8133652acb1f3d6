"""No partition has two owners, whatever members claim."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from workers.runtime.bus.kafka.assignor import SingleOwnerAssignor

CLUSTER = SimpleNamespace(topics=lambda: {"frames"}, partitions_for_topic=lambda topic: {0, 1})


class Member:
    """Takes part in rebalances, as the client's coordinator does for it."""

    def __init__(self, name: str, kind: type[CooperativeStickyAssignor]) -> None:
        self.name, self.assignor, self.owns = name, kind(), set[TopicPartition]()

    def joining(self) -> Any:
        return SimpleNamespace(
            member_id=self.name, metadata=self.assignor.metadata({"frames"}), group_instance_id=None
        )

    def take(self, assignment: ConsumerProtocolAssignment) -> None:
        self.owns = set(assignment.partitions())
        self.assignor.on_assignment(assignment, 1)


def rebalance(leader: Member, *members: Member) -> list[TopicPartition]:
    """One round; returns the partitions that a member gets before their owner has given them up."""
    owners = {tp: member for member in members for tp in member.owns}
    given = leader.assignor.assign(CLUSTER, [member.joining() for member in members])
    early = [
        tp
        for member in members
        for tp in given[member.name].partitions()
        if owners.get(tp, member) is not member
    ]
    for member in members:
        member.take(given[member.name])
    return early


def expelled_and_back(kind: type[CooperativeStickyAssignor], forget: bool) -> list[TopicPartition]:
    """One of two is expelled, the other takes over, and it comes back."""
    one, two = Member("one", kind), Member("two", kind)
    for _ in range(3):
        rebalance(one, one, two)
    two.owns = set()
    if forget:
        two.assignor.forget()
    rebalance(one, one)
    assert len(one.owns) == 2
    found = [tp for _ in range(3) for tp in rebalance(one, one, two)]
    assert (len(one.owns), len(two.owns)) == (1, 1)
    return found


def test_the_clients_own_assignor_still_gives_a_partition_away_too_early() -> None:
    """When this fails, the client has been repaired: take ours out."""
    assert expelled_and_back(CooperativeStickyAssignor, forget=False) != []


@pytest.mark.parametrize("forget", [True, False])
def test_a_partition_moves_only_after_its_owner_gave_it_up(forget: bool) -> None:
    assert expelled_and_back(SingleOwnerAssignor, forget) == []
