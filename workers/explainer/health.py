"""Whether the explainer is alive and ready, and its gauges."""

import time
from contextlib import suppress
from typing import Protocol

from workers.explainer.backlog import Backlog
from workers.runtime.bus.ports import Consumer
from workers.runtime.errors import TopicMissing, Transient
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics
from workers.runtime.watchdog import Pulse

_EVERY_S = 2.0
_SILENT_S = 30.0  # a poll thread that is silent for longer is not alive
_LATE_S = 15.0  # ... and takes no verdicts: longer than one answer of the broker takes


class Commits(Protocol):
    """Commits where nothing is in work."""

    def commit_idle(self, consumer: Consumer) -> None:
        """A first offset (autoscalers need one), and markers."""


class Vitals:
    """What the poll thread sees of the process, for /livez, /readyz and /metrics."""

    def __init__(self, backlog: Backlog, metrics: ExplainerMetrics):
        self._metrics = metrics
        self._polled_at: float | None = None
        self._observed_at = 0.0
        self._stable = False
        self._missing: frozenset[str] = frozenset()
        self.pulse = Pulse()  # of the poll thread
        self.away: Transient | None = None  # a server that is needed
        metrics.ready.ask_one(lambda: float(self.ready() is None))
        metrics.waiting.ask_one(lambda: float(len(backlog)))

    def polled(self, consumer: Consumer) -> None:
        """The poll thread is alive, and sees whether it is a member with partitions."""
        self._polled_at = time.monotonic()
        self._stable, self._missing = consumer.stable(), consumer.missing()
        self.pulse.beat()

    def live(self) -> str | None:
        """What is wrong with this process, or None."""
        return None if self._polled_at is None else self._silence(_SILENT_S)

    def ready(self) -> str | None:
        """Why verdicts cannot be explained now, or None."""
        if self._polled_at is None:
            return "not connected yet"
        if self.away is not None:
            return str(self.away)
        if self._missing:
            return str(TopicMissing(self._missing))
        if not self._stable:
            return "no partitions yet"
        return self._silence(_LATE_S)

    def observe(self, consumer: Consumer, commits: Commits) -> None:
        """Set the gauges, now and then."""
        now = time.monotonic()
        if now - self._observed_at < _EVERY_S:
            return
        self._observed_at = now
        commits.commit_idle(consumer)
        self._metrics.assigned.set(len(consumer.assignment()))
        with suppress(Transient):
            lag = consumer.lag()
            self._metrics.lag.hold({(p.topic, str(p.index)): float(n) for p, n in lag.items()})

    def _silence(self, limit_s: float) -> str | None:
        silent = time.monotonic() - (self._polled_at or 0.0)
        return None if silent < limit_s else f"no poll for {silent:.0f} s"
