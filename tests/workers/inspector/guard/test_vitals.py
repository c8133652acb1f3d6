"""What /livez, /readyz and the gauges say."""

from typing import Any

import pytest

from workers.inspector.guard import vitals as module
from workers.inspector.guard.breaker import Breaker, Limits
from workers.inspector.guard.drift import Drift
from workers.inspector.guard.vitals import Vitals
from workers.inspector.models.source import FixedModels, Models
from workers.runtime.bus.ports import Partition
from workers.runtime.errors import TopicMissing
from workers.runtime.settling.flow import InFlight
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics

P = Partition("frames", 0)


class Member:
    """A consumer that tells its lag."""

    def __init__(self) -> None:
        self.behind, self.settled = 0, True
        self.gone: frozenset[str] = frozenset()

    def assignment(self) -> frozenset[Partition]:
        return frozenset({P})

    def stable(self) -> bool:
        return self.settled

    def missing(self) -> frozenset[str]:
        return self.gone

    def lag(self) -> dict[Partition, int]:
        return {P: self.behind}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def make() -> tuple[Vitals, InFlight, Breaker, InspectorMetrics]:
    breaker = Breaker(Limits(share=0.5, window_s=1, min_frames=1, rest_s=60))
    in_flight, metrics = InFlight(100), InspectorMetrics()
    return (
        Vitals(FixedModels({}), breaker, in_flight, Drift(), metrics),
        in_flight,
        breaker,
        metrics,
    )


def gauge(metrics: InspectorMetrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"inspector_{name}")


def test_ready_names_everything_that_is_missing() -> None:
    vitals, _, breaker, _ = make()
    vitals._keeper.models = Models(missing={"nuts": "no model"})  # type: ignore[misc]
    vitals.reach("broker", "refused")
    for second in range(3):
        breaker.note("line-1", True, float(second))
    breaker.state(3.0)
    said = vitals.ready() or ""
    for words in ("nuts: no model", "broker is away: refused", "stopped reading", "no partitions"):
        assert words in said


def test_what_does_not_stop_inspection_is_noted() -> None:
    vitals, _, _, _ = make()
    member: Any = Member()
    vitals.polled(member)
    assert (vitals.ready(), vitals.notes()) == (None, None)
    vitals.reach("redis", "refused")
    vitals._keeper.models = Models(held_back={"nuts": "version v2 is refused"})  # type: ignore[misc]
    assert vitals.ready() is None
    assert vitals.notes() == (
        "nuts goes on with its last good model: version v2 is refused; redis is away: refused"
    )


def test_ready_again_when_all_is_well() -> None:
    vitals, _, _, metrics = make()
    member: Any = Member()
    vitals.reach("broker", "away")
    vitals.polled(member)
    assert (vitals.ready(), gauge(metrics, "ready")) == ("broker is away: away", 0)
    vitals.reach("broker", None)
    vitals.polled(member)
    assert (vitals.ready(), gauge(metrics, "ready")) == (None, 1)
    member.settled = False
    vitals.polled(member)
    assert vitals.ready() == "no partitions yet"


def test_time_since_the_last_commit_counts_only_while_behind(clock: Clock) -> None:
    vitals, in_flight, _, metrics = make()
    member: Any = Member()
    committed_at = 10.0  # long ago: nothing came since
    vitals.observe(member, committed_at)
    assert gauge(metrics, "since_progress_seconds") == 0
    member.behind = 3
    vitals.observe(member, committed_at)
    clock.now += 7
    vitals.observe(member, committed_at)
    assert gauge(metrics, "since_progress_seconds") == 7  # not since the long silence before
    vitals.observe(member, clock.now - 2)
    assert gauge(metrics, "since_progress_seconds") == 2
    member.behind = 0
    in_flight.add(P, 1)  # read, but not published
    clock.now += 5
    vitals.observe(member, committed_at)
    assert gauge(metrics, "since_progress_seconds") == 12
    in_flight.free(P, 1)
    vitals.observe(member, committed_at)
    assert gauge(metrics, "since_progress_seconds") == 0


def test_alive_while_it_polls(clock: Clock) -> None:
    vitals = make()[0]
    member: Any = Member()
    assert vitals.live() is None  # loading models may take minutes
    vitals.polled(member)
    clock.now += 29
    assert vitals.live() is None
    clock.now += 2
    assert vitals.live() == "no poll for 31 s"


def test_a_missing_topic_is_named_until_it_is_there() -> None:
    vitals, _, _, metrics = make()
    member: Any = Member()
    member.gone = frozenset({"frames", "outcomes"})
    vitals.reach("broker", TopicMissing(["outcomes"]))
    vitals.polled(member)
    said = vitals.ready() or ""
    assert "topic frames, outcomes does not exist" in said
    assert "away" not in said
    assert gauge(metrics, "ready") == 0
    member.gone = frozenset()
    vitals.polled(member)
    assert (vitals.ready(), gauge(metrics, "ready")) == (None, 1)


def test_a_thread_that_hangs_is_not_ready_although_it_tells_nothing(clock: Clock) -> None:
    vitals, _, _, metrics = make()
    member: Any = Member()
    vitals.polled(member)
    assert gauge(metrics, "ready") == 1
    clock.now += 16
    assert vitals.ready() == "no poll for 16 s"
    assert gauge(metrics, "ready") == 0
