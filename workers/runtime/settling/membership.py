"""What happens when partitions come and go. Called on the client's IO thread: never blocks."""

import time
from collections.abc import Callable
from typing import Protocol

import structlog
from prometheus_client import Counter

from workers.runtime.bus.ports import Handover, Partition, RebalanceListener
from workers.runtime.settling.flow import Leases, PendingCommits
from workers.runtime.settling.publish import Assigned, Publisher, Withdrawn

_log = structlog.get_logger(__name__)


class Rebalances(Protocol):
    """The metric of a process whose partitions come and go."""

    rebalances: Counter


class Membership(RebalanceListener):
    """Opens and closes leases, and hands revoked partitions over with their positions."""

    def __init__(
        self,
        leases: Leases,
        publisher: Publisher,
        commits: PendingCommits,
        left: Callable[[frozenset[Partition]], None],
        drain_s: float,
        *,
        metrics: Rebalances,
    ):
        """`left` is told of partitions that go while the process works on."""
        self._leases, self._publisher, self._commits = leases, publisher, commits
        self._left, self._drain_s, self._metrics = left, drain_s, metrics
        self.closing = False  # the process ends: nothing more will be finished

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """New partitions: their work counts from here on."""
        self._metrics.rebalances.labels("assigned").inc()
        self._commits.forget(partitions)
        self._leases.open(partitions, lambda leases: self._publisher.put(Assigned(leases)))
        _log.info("partitions assigned", partitions=_indices(partitions))

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Take in nothing more; what is in work may finish within the drain time."""
        self._metrics.rebalances.labels("revoked").inc()
        self._leases.close(partitions, time.monotonic() + self._drain_s)
        self._publisher.put(Withdrawn(partitions, self._drain_s))
        if not self.closing:  # else the marks say how the process ended
            self._left(partitions)
        _log.info("partitions revoked", partitions=_indices(partitions))

    def handover(self, partitions: frozenset[Partition]) -> Handover:
        """Done when nothing of them is in work; positions are committed in passing."""
        done = self.closing or not self._publisher.in_work(partitions)
        return Handover(done, self._commits.peek(partitions))

    def lost(self, partitions: frozenset[Partition]) -> None:
        """Somebody else has them: forget everything."""
        self._metrics.rebalances.labels("lost").inc()
        self._leases.close(partitions, time.monotonic())
        self._commits.forget(partitions)
        self._publisher.put(Withdrawn(partitions, 0.0))
        _log.warning("partitions lost", partitions=_indices(partitions))


def _indices(partitions: frozenset[Partition]) -> list[str]:
    return [f"{partition.topic}-{partition.index}" for partition in sorted(partitions)]
