"""Tells our listener of kafka-python's rebalances, and commits what is settled in passing.

Everything here runs on the client's IO thread: blocking calls are refused there, and a listener
that raises wedges the consumer for good. So nothing blocks and every error ends in the log.
"""

import time
from collections.abc import Iterable
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.consumer.subscription_state import (
    AsyncConsumerRebalanceListener,
    TopicPartitionState,
)
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from workers.runtime.bus.kafka.assignor import SingleOwnerAssignor
from workers.runtime.bus.ports import Partition, Positions, RebalanceListener

_log = structlog.get_logger(__name__)
_ASK_AGAIN_S = 0.02


def as_partition(tp: Any) -> Partition:
    """kafka-python's TopicPartition as ours."""
    return Partition(tp.topic, tp.partition)


def as_topic_partition(partition: Partition) -> Any:
    """Our partition as kafka-python's."""
    return TopicPartition(partition.topic, partition.index)


def as_offsets(positions: Positions) -> dict[Any, Any]:
    """Positions as kafka-python commits them."""
    return {as_topic_partition(p): OffsetAndMetadata(n) for p, n in positions.items()}


class Relay(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Calls the listener; after `revoked` waits up to `drain_s` for its work to be handed over."""

    def __init__(
        self, client: Any, listener: RebalanceListener | None, drain_s: float, assignor: Any
    ):
        self._client, self._listener, self._drain_s = client, listener, drain_s
        self._assignor = assignor

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """New partitions."""
        partitions = _frozen(assigned)
        if partitions and self._listener:
            try:
                self._listener.assigned(partitions)
            except Exception:
                _log.exception("rebalance listener failed", told="assigned")

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Partitions move: let finished work be published, then commit it."""
        partitions = _frozen(revoked)
        if partitions and self._listener:
            try:
                self._listener.revoked(partitions)
                await self._drain(self._listener, partitions)
            except Exception:
                _log.exception("rebalance listener failed", told="revoked")
        self._read_anew(revoked)

    def _read_anew(self, revoked: Iterable[Any]) -> None:
        """Partitions that come straight back are read from where the group has committed.

        The client keeps their position (eager assignors only: they revoke everything), but what was
        in work has been dropped.
        """
        assignment = self._client._subscription.assignment
        for tp in revoked:
            if tp in assignment:
                assignment[tp] = TopicPartitionState()
                assignment[tp].mark_pending_revocation()  # until it is assigned again

    async def _drain(self, listener: RebalanceListener, partitions: frozenset[Partition]) -> None:
        deadline = time.monotonic() + self._drain_s
        handover = listener.handover(partitions)
        while not handover.done and time.monotonic() < deadline:
            await self._client._net.sleep(_ASK_AGAIN_S)
            handover = listener.handover(partitions)
        if handover.positions:
            try:
                await self._client.commit_async(as_offsets(handover.positions))
            except KafkaError as error:  # the next rebalance has begun: some work is repeated
                _log.info("positions not handed over", reason=str(error))

    async def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """Partitions are gone; committing them is forbidden."""
        if isinstance(self._assignor, SingleOwnerAssignor):
            self._assignor.forget()
        partitions = _frozen(lost)
        if partitions and self._listener:
            try:
                self._listener.lost(partitions)
            except Exception:
                _log.exception("rebalance listener failed", told="lost")


def _frozen(tps: Iterable[Any]) -> frozenset[Partition]:
    return frozenset(as_partition(tp) for tp in tps)
