"""Cooperative assignment that never gives a partition to two members.

kafka-python's assignor goes on claiming what its member owned before it was expelled, and its
leader believes the last of two claims. The partition then has two owners in one generation, which
no fencing can see: both may publish its outcomes.
"""

from collections import Counter
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment


class SingleOwnerAssignor(CooperativeStickyAssignor):  # type: ignore[misc]
    """Speaks the same protocol under the same name. One for each consumer: it has a memory."""

    def forget(self) -> None:
        """The membership is lost: claim nothing when joining again."""
        self.member_assignment = None

    def assign(self, cluster: Any, members: Any) -> dict[str, Any]:
        """As leader: what two members claim, nobody gets in this round; its owner gives it up."""
        claims = Counter(
            tp
            for member in members
            for tp in set(self.parse_member_metadata(member.metadata).partitions)
        )
        disputed = {tp for tp, count in claims.items() if count > 1}
        found: dict[str, Any] = super().assign(cluster, members)
        if not disputed:
            return found
        return {member: _without(disputed, given) for member, given in found.items()}


def _without(disputed: set[Any], given: Any) -> Any:
    kept: dict[str, list[int]] = {}
    for tp in given.partitions():
        if tp not in disputed:
            kept.setdefault(tp.topic, []).append(tp.partition)
    shares = sorted((topic, sorted(partitions)) for topic, partitions in kept.items())
    return ConsumerProtocolAssignment(CooperativeStickyAssignor.version, shares, b"")
