"""The delivery port with a clock: how many publications went through, and how long they took."""

import time
from collections.abc import Iterable
from typing import Protocol

from prometheus_client import Counter, Histogram

from workers.runtime.bus.ports import Delivery, Outgoing, Positions


class Publications(Protocol):
    """The metrics of a process that publishes results with positions."""

    transactions: Counter
    transaction: Histogram


class Measured:
    """Hands everything on to a delivery and counts what comes of it."""

    def __init__(self, delivery: Delivery, metrics: Publications) -> None:
        self._delivery, self._metrics = delivery, metrics
        self.generation, self.close = delivery.generation, delivery.close

    @property
    def guarantee(self) -> str:
        """What it promises, in words."""
        return self._delivery.guarantee

    @property
    def commits(self) -> bool:
        """Whether the positions are stored when `settle` returns."""
        return self._delivery.commits

    def settle(
        self, messages: Iterable[Outgoing], positions: Positions, generation: object | None
    ) -> None:
        """Publish and commit, as the port says."""
        started, result = time.monotonic(), "aborted"
        try:
            self._delivery.settle(messages, positions, generation)
            result = "committed"
        finally:
            self._metrics.transactions.labels(result).inc()
            self._metrics.transaction.observe(time.monotonic() - started)
