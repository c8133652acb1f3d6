"""The simulated stage loses nothing, comes to rest, and agrees with the plan it simulates."""

from dataclasses import replace

import pytest

from benchmarks.scale import Stage, simulate
from workers.offline.plan.constants import Constants
from workers.offline.plan.demand import Demand
from workers.offline.plan.run import Plan, plan

CONSTANTS = Constants(
    machine="a test's",
    cores=2,
    batch_ms={"p": {1: 49, 8: 310}},
    decode_ms_megapixel={"png": 15, "jpeg": 2},
    shell_ms=1,
)
DEMAND = Demand(60, 1.5, 100, 0.1, "png", "p", 1, 700, pinned=True, spare=0)


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(DEMAND, CONSTANTS)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7, 0.85])
def test_business_batches_and_latency_are_as_planned(load: float) -> None:
    found = plan(replace(DEMAND, load=load, latency_ms=5000), CONSTANTS)
    rate = DEMAND.frames_a_second / found.workers
    seen = simulate(found, 120, seed=3, jitter=True)
    assert seen.batch == pytest.approx(found.service.batch(rate), rel=0.2)
    assert seen.busy == pytest.approx(found.service.busy(rate), rel=0.2)
    assert seen.p95_ms == pytest.approx(found.service.latency_ms(rate), rel=0.2)


@pytest.mark.parametrize("fault", ["", "kill", "join"])
def test_every_frame_has_one_verdict_whatever_happens(planned: Plan, fault: str) -> None:
    stage = Stage(planned, 5, jitter=False)
    stage.run(20, {"kill": [(7.0, stage.kill)], "join": [(7.0, stage.join)]}.get(fault, []))
    sent = sorted(each.sent for each in stage.verdicts)
    assert len(sent) == len(set(sent)) == pytest.approx(60 * 1.5 * 20, abs=60)
    assert not any(stage.log)
    owned = [p for worker in stage.workers if worker.alive for p in worker.partitions]
    assert sorted(owned) == list(range(planned.partitions))


def test_a_killed_worker_is_felt_for_its_session_and_what_was_behind(planned: Plan) -> None:
    with_spare = replace(planned, demand=replace(planned.demand, spare=1))
    seen = simulate(with_spare, 60, seed=3, jitter=True, fault="kill")
    assert seen.recovered_s is not None
    assert CONSTANTS.takeover_s <= seen.recovered_s < CONSTANTS.takeover_s + 20
    moved = simulate(with_spare, 60, seed=3, jitter=True, fault="join")
    assert (moved.recovered_s or 0) < seen.recovered_s


def test_more_than_a_stage_can_take_is_never_quick(planned: Plan) -> None:
    over = replace(planned, demand=replace(planned.demand, rate=planned.demand.rate * 3))
    assert simulate(over, 20, seed=1, jitter=False).p95_ms > 3 * planned.demand.latency_ms
