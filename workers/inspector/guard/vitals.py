"""Whether the worker is alive and ready, and its gauges."""

import math
import time
from contextlib import suppress

from schemas.excerpt import excerpt
from workers.inspector.guard.breaker import Breaker
from workers.inspector.guard.drift import Drift
from workers.inspector.models.source import ModelSource
from workers.runtime.bus.ports import Consumer
from workers.runtime.errors import TopicMissing, Transient
from workers.runtime.settling.flow import InFlight
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.watchdog import Pulse

_BROKER = "broker"
_NAMED = 5  # cameras, on the page for probes
_SILENT_S = 30.0  # a poll thread that is silent for longer is not alive
_LATE_S = 15.0  # ... and takes no frames: longer than one answer of the broker takes


class Vitals:
    """What the poll thread sees of the process, for /livez, /readyz and /metrics."""

    def __init__(
        self,
        keeper: ModelSource,
        breaker: Breaker,
        in_flight: InFlight,
        drift: Drift,
        metrics: InspectorMetrics,
    ):
        self._keeper, self._breaker = keeper, breaker
        self._in_flight, self._drift, self._metrics = in_flight, drift, metrics
        self._polled_at: float | None = None
        self._behind_since: float | None = None
        self._behind = 0  # records
        self._stable = False
        self._topics_missing: frozenset[str] = frozenset()
        self.pulse = Pulse()  # of the poll thread
        metrics.ready.set_function(lambda: float(self.ready() is None))
        self._servers: set[str] = set()  # that were asked so far
        self.away: dict[str, str] = {}  # server -> why it is away

    def polled(self, consumer: Consumer) -> None:
        """The poll thread is alive, and sees whether it is a member with partitions."""
        self._polled_at = time.monotonic()
        self._stable, self._topics_missing = consumer.stable(), consumer.missing()
        self.pulse.beat()

    def reach(self, server: str, problem: str | Transient | None) -> None:
        """Whether a server answered just now."""
        self._servers.add(server)
        if problem is None or isinstance(problem, TopicMissing):  # `observe` asks for topics
            self.away.pop(server, None)
        else:
            self.away[server] = str(problem)

    def live(self) -> str | None:
        """What is wrong with this process, or None."""
        if self._polled_at is None:  # loading models and connecting may take minutes
            return None
        return self._silence(_SILENT_S)

    def _silence(self, limit_s: float) -> str | None:
        silent = time.monotonic() - (self._polled_at or math.inf)
        return None if silent < limit_s else f"no poll for {silent:.0f} s"

    def ready(self) -> str | None:
        """Why frames cannot be inspected now, or None."""
        problems = [f"{name}: {why}" for name, why in sorted(self._keeper.models.missing.items())]
        problems += [_away(server, self.away[server]) for server in {_BROKER} & self.away.keys()]
        if self._breaker.open:
            rejected, seen = self._breaker.last
            problems.append(f"stopped reading: {rejected} of {seen} frames were rejected")
        if self._topics_missing:
            problems.append(str(TopicMissing(self._topics_missing)))
        elif not self._stable:
            problems.append("no partitions yet")
        if silence := self._silence(_LATE_S):
            problems.append(silence)
        return "; ".join(problems) or None

    def notes(self) -> str | None:
        """What is wrong although frames are inspected, or None.

        Redis is no reason to take no frames: what is loaded goes on, and the store is the truth.
        """
        held_back = sorted(self._keeper.models.held_back.items())
        notes = [f"{name} goes on with its last good model: {why}" for name, why in held_back]
        notes += [_away(server, why) for server, why in sorted(self.away.items())]
        held = self._breaker.held(time.monotonic())
        if held:
            names = ", ".join(excerpt(name, 50) for name in held[:_NAMED])
            notes.append(f"{len(held)} cameras are held back: {names}")
        if drifted := self._drift.told(time.monotonic()):
            notes.append(
                f"{len(drifted)} cameras no longer look like the good images: "
                f"{'; '.join(drifted[:_NAMED])}"
            )
        return "; ".join(notes) or None

    def observe(self, consumer: Consumer, committed_at: float) -> None:
        """Set the gauges."""
        now = time.monotonic()
        metrics, in_work = self._metrics, self._in_flight.bytes
        metrics.assigned.set(len(consumer.assignment()))
        metrics.in_flight.set(in_work)
        metrics.uncommitted.set(self._behind_s(in_work + self._lag(consumer), committed_at, now))
        metrics.stopped.set(self._breaker.open)
        metrics.held_back.set(len(self._breaker.held(now)))
        metrics.drifted.hold(self._drift.counts(now))
        asked = tuple(self._servers)  # another thread may add one
        metrics.up.hold({(server,): float(server not in self.away) for server in asked})
        models = self._keeper.models
        metrics.model.hold(dict.fromkeys(models.versions().items(), 1.0))
        metrics.missing.hold({(category,): 1.0 for category in models.missing})

    def _behind_s(self, behind: int, committed_at: float, now: float) -> float:
        """Seconds since the last commit, counted while there is something to commit."""
        if not behind:
            self._behind_since = None
            return 0.0
        if self._behind_since is None:
            self._behind_since = now
        return now - max(self._behind_since, committed_at)

    def _lag(self, consumer: Consumer) -> int:
        """Records not yet read. While the broker is away the last figures stand."""
        with suppress(Transient):
            lag = consumer.lag()
            self._metrics.lag.hold({(str(p.index),): float(n) for p, n in lag.items()})
            self._behind = sum(lag.values())
        return self._behind


def _away(server: str, why: str) -> str:
    return f"{server} is away: {why}"
