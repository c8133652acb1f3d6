"""`python -m workers.runtime.telemetry.metrics.generate`: writes docs/metrics.md from the table."""

import sys
from collections.abc import Iterable
from pathlib import Path

from workers.runtime.telemetry.metrics.camera import CameraMetrics
from workers.runtime.telemetry.metrics.console import ConsoleMetrics
from workers.runtime.telemetry.metrics.evidence import EvidenceMetrics
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics
from workers.runtime.telemetry.metrics.gate import GateMetrics
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.telemetry.metrics.notifier import NotifierMetrics
from workers.runtime.telemetry.metrics.table import PROCESS, Entry

FILE = Path(__file__).parents[4] / "docs" / "metrics.md"

_INTRODUCTION = """\
# Metrics

<!-- Written by `make metrics`; change the table in `workers/runtime/telemetry/metrics`. -->

Every process answers `/metrics` on `health.port`. Names follow Prometheus' conventions and carry
their unit. No label holds what a frame or a camera says of itself: each has the bound stated here,
so a hostile producer cannot grow the number of series. `docs/runbook.md` has the alerts.
"""


def entries() -> dict[str, list[Entry]]:
    """The whole table: process -> its own metrics."""
    tables = {
        "worker": InspectorMetrics(),
        "explainer": ExplainerMetrics(),
        "notifier": NotifierMetrics(),
        "gate": GateMetrics(),
        "evidence": EvidenceMetrics(),
        "console": ConsoleMetrics(),
        "camera": CameraMetrics(),
    }
    known = {entry.name for entry in PROCESS}
    own = {
        process: [entry for entry in table.entries if entry.name not in known]
        for process, table in tables.items()
    }
    return own | {"every process": list(PROCESS)}


def document() -> str:
    """docs/metrics.md."""
    sections = [_section(process, found) for process, found in entries().items()]
    return "\n".join([_INTRODUCTION, *sections])


def _section(process: str, found: Iterable[Entry]) -> str:
    title = process if process == "every process" else f"stream-inspector {process}"
    rows = ["| metric | kind | says | labels, and what bounds them |", "|---|---|---|---|"]
    rows += [
        f"| `{entry.name}` | {entry.kind} | {entry.text} | {_labels(entry)} |" for entry in found
    ]
    return f"## {title}\n\n" + "\n".join(rows) + "\n"


def _labels(entry: Entry) -> str:
    return "; ".join(f"`{name}`: {bound}" for name, bound in entry.labels.items())


if __name__ == "__main__":
    FILE.write_text(document())
    sys.stdout.write(f"{FILE}\n")
