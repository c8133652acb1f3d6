"""Grafana shows what is counted, in its unit: frames are no requests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

BOARDS = sorted((Path(__file__).parents[2] / "helm/stream-inspector/files/dashboards").glob("*"))
MISLEADING = {"reqps", "rps", "ops", "none", ""}


def panels(found: list[dict]) -> Iterator[dict]:
    for each in found:
        yield each
        yield from panels(each.get("panels", []))


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_figure_has_the_unit_of_what_it_counts(board: Path) -> None:
    shown = [each for each in panels(json.loads(board.read_text())["panels"]) if "targets" in each]
    assert shown
    for panel in shown:
        if panel["type"] == "table":
            continue
        unit = panel["fieldConfig"]["defaults"].get("unit", "")
        assert unit not in MISLEADING, panel["title"]
        rate = any("rate(" in each["expr"] or "rate5m" in each["expr"] for each in panel["targets"])
        if rate and unit.startswith("suffix: ") and unit != "suffix: cores":
            assert unit.endswith("/s") or "/ sum" in panel["targets"][0]["expr"], panel["title"]
