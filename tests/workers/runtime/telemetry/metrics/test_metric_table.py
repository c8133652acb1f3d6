"""The table of metrics: conventional names, one document, no series without a bound."""

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import generate_latest

from workers.runtime.telemetry.metrics.camera import CameraMetrics
from workers.runtime.telemetry.metrics.generate import FILE, document, entries
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.telemetry.metrics.notifier import NotifierMetrics
from workers.runtime.telemetry.metrics.table import PROCESS, Table

TABLES = [InspectorMetrics, NotifierMetrics, CameraMetrics]
_PROCESSES = "inspector|explainer|notifier|camera|gate|console|evidence|process"
_UNITLESS = (  # 0 or 1
    *("_ready", "_stopped", "_up", "_info", "_missing", "_refused", "_failing"),
    *("_synchronised", "_reading"),
)
_UNITS = (
    *("_seconds", "_bytes", "_frames", "_records", "_partitions", "_alarms", "_cameras"),
    *("_parts", "_answers", "_verdicts", "_cases", "_outcomes", "_fds", "_defects", "_ratio"),
)


def fill(table: Table) -> None:
    """One series of everything."""
    for name, metric in vars(table).items():
        if hasattr(metric, "hold") and name != "build":
            metric.hold({("x",) * len(metric._entry.labels): 1.0})
        elif getattr(metric, "_labelnames", ()):
            metric.labels(*("x" for _ in metric._labelnames))


def test_the_document_is_what_the_table_says() -> None:
    assert FILE.read_text() == document(), "run `make metrics`"


@pytest.mark.parametrize("process", entries())
def test_names_end_in_their_unit(process: str) -> None:
    for entry in entries()[process]:
        if entry.kind == "counter":
            assert entry.name.endswith("_total"), entry
        else:
            assert entry.name.endswith(_UNITS + _UNITLESS), entry
        assert re.fullmatch(
            r"(inspector|explainer|notifier|camera|gate|console|evidence|process)_[a-z_]+",
            entry.name,
        )
        assert entry.text
        assert all(entry.labels.values()), "what bounds a label is stated"


@pytest.mark.parametrize("make", TABLES)
def test_what_is_exposed_is_what_is_in_the_table(make: Callable[[], Table]) -> None:
    table = make()
    fill(table)
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in table.registry.collect()
    }
    assert exposed == {entry.name for entry in table.entries}
    labels = {entry.name: set(entry.labels) for entry in table.entries}
    for family in table.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name]


@pytest.mark.integration
@pytest.mark.parametrize("make", TABLES)
def test_prometheus_own_lint_has_nothing_to_say(make: Callable[[], Table]) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install -y --no-install-recommends prometheus"
    table = make()
    fill(table)
    text = generate_latest(table.registry)
    lint = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert lint.returncode == 0, lint.stderr.decode()
    assert lint.stderr == b""


def test_process_figures_are_real() -> None:
    registry: Any = CameraMetrics().registry
    found = {entry.name: registry.get_sample_value(entry.name) for entry in PROCESS}
    assert found["process_resident_memory_bytes"] > 2**20
    assert None not in found.values()


def test_a_snapshot_leaves_no_series_behind() -> None:
    metrics = InspectorMetrics()
    metrics.lag.hold({("0",): 5.0, ("1",): 7.0})
    metrics.lag.hold({("1",): 3.0})
    value = metrics.registry.get_sample_value
    assert value("inspector_lag_records", {"partition": "0"}) is None
    assert value("inspector_lag_records", {"partition": "1"}) == 3


def test_known_label_values_start_at_zero() -> None:
    """Prometheus sees a rise only between two scrapes: a counter must be there before."""
    value = InspectorMetrics(categories=["bolts"]).registry.get_sample_value
    assert value("inspector_rejected_frames_total", {"reason": "crashed-worker"}) == 0
    assert value("inspector_outcomes_total", {"category": "bolts", "verdict": "defect"}) == 0
    assert value("inspector_transactions_total", {"result": "aborted"}) == 0


def test_a_source_that_fails_costs_its_own_metric_only() -> None:
    metrics = InspectorMetrics()

    def gone() -> dict[tuple[str, ...], float]:
        raise RuntimeError("the device is gone")

    metrics.device_memory.ask(gone)
    metrics.ready.set(1)
    told = generate_latest(metrics.registry).decode()
    assert "inspector_ready 1.0" in told
    assert "inspector_device_memory_bytes{" not in told
