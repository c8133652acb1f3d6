"""Commits, on the poll thread: only what is published, and again when the group was moving."""

import time
from contextlib import suppress

import structlog

from workers.runtime.bus.ports import Consumer, Partition
from workers.runtime.errors import MembershipLost, Transient
from workers.runtime.settling.flow import Leases, PendingCommits
from workers.runtime.settling.publish import Publisher

_log = structlog.get_logger(__name__)


class Committer:
    """Takes published positions to the broker, at most once per interval."""

    def __init__(
        self, pending: PendingCommits, leases: Leases, publisher: Publisher, interval_s: float
    ):
        self._pending, self._leases, self._publisher = pending, leases, publisher
        self._interval_s = interval_s
        self._committed: dict[Partition, int] = {}
        self.at = self._tried_at = time.monotonic()  # of the last commit, of the last attempt

    def commit(self, consumer: Consumer, now: bool = False) -> None:
        """Commit what is pending and still ours. Errors postpone it."""
        if not now and time.monotonic() - self._tried_at < self._interval_s:
            return
        self._tried_at = time.monotonic()
        positions = self._ours(self._pending.take())
        if not positions:
            return
        try:
            consumer.commit(positions)
            self._committed |= positions
            self.at = time.monotonic()
        except MembershipLost as error:  # a rebalance: what is still ours is committed later
            _log.debug("commit postponed", reason=str(error))
            self._pending.put(self._ours(positions))
        except Transient as error:
            _log.warning("cannot commit, trying again", reason=str(error))
            self._pending.put(positions)

    def done(self) -> bool:
        """Whether nothing that is published waits for its commit."""
        return not self._pending

    def _ours(self, positions: dict[Partition, int]) -> dict[Partition, int]:
        return {p: n for p, n in positions.items() if self._leases.of(p) is not None}

    def commit_idle(self, consumer: Consumer) -> None:
        """Commit where nothing is in work: a first offset (autoscalers need one), and markers.

        Safe: all that was read before the position has been published.
        """
        with suppress(Transient, MembershipLost):
            for partition in consumer.assignment():
                position = consumer.position(partition)
                known = self._committed.get(partition)
                if position is None or position == known or self._publisher.in_work([partition]):
                    continue
                consumer.commit({partition: position})
                self._committed[partition] = position
