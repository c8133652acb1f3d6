"""A plan holds together: who asks for more never gets less, and each number has a reason."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli import app
from workers.offline.plan.constants import SHIPPED, Constants
from workers.offline.plan.demand import Demand
from workers.offline.plan.queue import Service
from workers.offline.plan.rows import cost, rows
from workers.offline.plan.run import plan
from workers.offline.plan.spread import busiest, cameras_by_partition, partitions_for
from workers.offline.plan.view import images_of
from workers.runtime.errors import SettingsError

RUNNER = CliRunner()
CONSTANTS = Constants(
    machine="a test's",
    cores=2,
    batch_ms={"p": {1: 20, 8: 90}},
    decode_ms_megapixel={"png": 10, "jpeg": 2},
    shell_ms=1,
    shell_ms_megabyte=0,
    publish_ms=30,
)
DEMAND = Demand(20, 2, 100, 1, "jpeg", "p", 1, 400)


def service(**changes: object) -> Service:
    return Service(CONSTANTS, replace(DEMAND, **changes))  # type: ignore[arg-type]


def test_a_batch_costs_what_was_measured_and_what_lies_between() -> None:
    assert [CONSTANTS.device_ms("p", n) for n in (1, 8)] == pytest.approx([20, 90])
    assert CONSTANTS.device_ms("p", 4) == pytest.approx(50)
    one = CONSTANTS.model_copy(update={"batch_ms": {"p": {8: 80}}})
    assert one.device_ms("p", 2) == pytest.approx(20)
    with pytest.raises(SettingsError, match="preset q: not among the constants, which have p"):
        CONSTANTS.device_ms("q", 1)


def test_capacity_is_the_rate_at_which_a_worker_is_always_busy() -> None:
    each = service()
    assert each.capacity() == pytest.approx(1000 * 8 / (90 + 8 * 3 / 2))
    assert each.load(each.capacity()) == pytest.approx(1)
    assert each.busy(each.capacity()) == pytest.approx(1, abs=0.01)
    assert service(accelerator=True).capacity() == pytest.approx(1000 * 8 / 90)


def test_batches_grow_with_the_rate_up_to_their_limit() -> None:
    found = [service().batch(rate) for rate in (0.01, 5, 20, 60, 78)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(1, abs=0.01)
    assert found[-1] <= 8


def test_later_the_busier_and_never_within_reach_beyond_capacity() -> None:
    each = service()
    late = [each.latency_ms(rate) for rate in (1, 20, 50, 70)]
    assert all(a < b for a, b in pairwise(late))
    assert each.latency_ms(each.capacity() * 1.1) == float("inf")


def test_every_promise_of_a_plan_is_kept_by_its_numbers() -> None:
    for cameras in (1, 7, 40, 200):
        for latency in (150, 400, 2000):
            found = plan(replace(DEMAND, cameras=cameras, latency_ms=latency), CONSTANTS)
            assert found.rate <= found.service.most()
            assert found.service.latency_ms(found.rate) <= latency
            assert found.service.load(found.rate) <= 0.7
            assert found.partitions % found.workers == 0
            assert found.workers == found.working + 1


def test_more_of_anything_never_needs_less() -> None:
    def workers(**changes: object) -> int:
        return plan(replace(DEMAND, **changes), CONSTANTS).workers  # type: ignore[arg-type]

    assert workers(cameras=40) <= workers(cameras=80) <= workers(cameras=400)
    assert workers(latency_ms=2000) <= workers(latency_ms=400) <= workers(latency_ms=150)
    assert workers(images=1) <= workers(images=4)
    assert workers(load=0.9) <= workers(load=0.3)
    assert workers(pinned=True) <= workers()


def test_what_no_number_of_workers_can_do_is_said() -> None:
    with pytest.raises(SettingsError, match="50 ms cannot be kept: a frame alone takes 6"):
        plan(replace(DEMAND, latency_ms=50), CONSTANTS)
    with pytest.raises(SettingsError, match="one camera is one partition is one worker"):
        plan(replace(DEMAND, rate=200), CONSTANTS)


def test_pinned_cameras_are_even_and_hashed_ones_are_where_kafka_puts_them() -> None:
    assert partitions_for(4, 8, pinned=True) == 8
    assert [len(each) for each in cameras_by_partition(8, 4, pinned=True)] == [2] * 4
    assert busiest(8, 8, 4, pinned=True) == 2
    assert busiest(8, 16, 4, pinned=False) >= 2
    assert sum(map(len, cameras_by_partition(100, 16, pinned=False))) == 100


def test_each_number_has_its_reason_and_loads_add_up() -> None:
    found = rows(plan(replace(DEMAND, readers=2), CONSTANTS))
    assert all(row.because for row in found)
    value = {row.what: row.value for row in found}
    assert value["broker in"] == pytest.approx(20 * 2 * 0.1 * 3)
    assert value["broker out"] == pytest.approx(20 * 2 * 0.1 * 2)
    assert value["broker disk, frames"] == pytest.approx(4 * 86.4 * 3)
    assert value["cores"] == 2 * value["workers"]
    assert "CORE" in cost(plan(DEMAND, CONSTANTS))


def test_tiles_are_images(tmp_path: Path) -> None:
    file = tmp_path / "sheet.yaml"
    file.write_text("name: sheet\nview: {tiles: {rows: 2, columns: 3}}\n")
    assert images_of(file, "pixel-small") == 6
    file.write_text("name: sheet\nview: {input_size: {height: 512, width: 256}}\n")
    assert images_of(file, "pixel-small") == 2
    assert images_of(None, "pixel-small") == 1
    with pytest.raises(SettingsError, match="pixel-smal"):
        images_of(None, "pixel-smal")


def test_the_command_says_it_in_all_forms(tmp_path: Path) -> None:
    asked = "--cameras 40 --rate 2 --preset pixel-small --latency 800 --pinned"
    given = ["plan", *asked.split()]
    table = RUNNER.invoke(app, given)
    assert table.exit_code == 0, table.output
    assert "cost: " in table.output
    assert "docs/performance.md" in table.output
    lines = RUNNER.invoke(app, [*given, "--json"]).stdout.splitlines()
    named = {row["what"]: row for row in map(json.loads, lines)}
    assert named["workers"]["value"] >= 2
    assert named["workers"]["because"]
    own = tmp_path / "mine.json"
    own.write_text(SHIPPED.read_text().replace('"cores": 2', '"cores": 16'))
    lines = RUNNER.invoke(app, [*given, "--json", "--constants", str(own)]).stdout.splitlines()
    cores = next(row for row in map(json.loads, lines) if row["what"] == "cores")
    assert cores["value"] % 16 == 0
    own.write_text("{}")
    wrong = RUNNER.invoke(app, [*given, "--constants", str(own)])
    assert wrong.exit_code == 78
    assert "make bench" in wrong.output
