"""Alerts fire when they should, stay quiet otherwise, and speak of metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from workers.runtime.telemetry.metrics.generate import entries

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "stream-inspector" / "files"
RULES = [FILES / "recording-rules.yaml", FILES / "alerts.yaml"]
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())


def rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


GROUPS = [group["name"] for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDS = {rule["record"]: rule for rule in rules() if "record" in rule}


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    assert program, "apt-get install -y --no-install-recommends prometheus"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check(name: str, case: dict[str, Any], fires: bool) -> dict[str, Any]:
    """A case as promtool wants it."""
    rule = ALERTS[name]
    texts = {key: case[key] for key in ("summary", "description")} if fires else {}
    expected = {
        "exp_labels": rule["labels"] | case.get("labels", {}),
        "exp_annotations": texts | {"runbook_url": rule["annotations"]["runbook_url"]},
    }
    series = [{"series": name, "values": str(values)} for name, values in case["series"].items()]
    alert = {"eval_time": case["at"], "alertname": name, "exp_alerts": [expected] * fires}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [alert]}


@pytest.mark.integration
def test_the_rules_are_valid() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


def test_every_alert_has_cases_and_every_case_its_alert() -> None:
    assert set(CASES) == set(ALERTS)
    assert all(case["fires"] and case["quiet"] for case in CASES.values())


@pytest.mark.integration
def test_alerts_fire_and_stay_quiet(tmp_path: Path) -> None:
    tests = [
        check(name, case, kind == "fires")
        for name, cases in CASES.items()
        for kind in ("fires", "quiet")
        for case in cases[kind]
    ]
    file = tmp_path / "test.yaml"
    content = {
        "rule_files": [str(path) for path in RULES],
        "group_eval_order": GROUPS,  # what is recorded comes before what is alerted on
        "tests": tests,
    }
    file.write_text(yaml.safe_dump(content))
    promtool("test", "rules", str(file))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def known_names() -> set[str]:
    """Every series name that the table can bring forth, and what the rules record."""
    names = set(RECORDS) | {"ALERTS"}
    for found in entries().values():
        for entry in found:
            parts = ("_bucket", "_sum", "_count") if entry.kind == "histogram" else ("",)
            names |= {entry.name + part for part in parts}
    return names


def metrics_of(expression: str) -> set[str]:
    """The series that a PromQL expression reads. Raises ValueError when it does not parse."""
    node = promql_parser.parse(re.sub(r"\$__\w+", "5m", expression))
    return set(_selected(node))


def _selected(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, part, None)
        if child is not None:
            yield from _selected(child)
    for child in getattr(node, "args", ()) or ():
        yield from _selected(child)


@pytest.mark.parametrize(
    "rule", list(rules()), ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_rules_speak_of_metrics_that_exist(rule: dict[str, Any]) -> None:
    found = metrics_of(rule["expr"])
    assert found
    assert found <= known_names()


def test_a_metric_that_does_not_exist_would_be_noticed() -> None:
    text = "sum by (a) (rate(inspector_gone_total[5m])) / on (a) (x_y > bool 1 or absent(z))"
    assert metrics_of(text) == {"inspector_gone_total", "x_y", "z"}


def panels(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["panels"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_speak_of_metrics_that_exist(path: Path) -> None:
    targets = [target for panel in panels(path) for target in panel.get("targets", ())]
    assert len(targets) > 20
    for target in targets:
        found = metrics_of(target["expr"])
        assert found
        assert found <= known_names(), target["expr"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_takes_any_datasource(path: Path) -> None:
    content = json.loads(path.read_text())
    variables = {variable["name"]: variable for variable in content["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in content["panels"]:
        sources = [panel["datasource"]] if panel["type"] != "row" else []
        sources += [target["datasource"] for target in panel.get("targets", ())]
        assert all(source["uid"] == "${datasource}" for source in sources), panel["title"]
        assert panel["type"] == "row" or panel["description"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_and_places_of_their_own(path: Path) -> None:
    found = panels(path)
    assert len({panel["id"] for panel in found}) == len(found)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_dashboards_have_ids_of_their_own() -> None:
    ids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert ids
    assert len(set(ids)) == len(ids)


def test_the_runbook_has_a_section_for_each_alert_and_for_nothing_else() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n\*\*(\w+)\.\*\*", text, re.MULTILINE))
    assert sections == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}
    assert set(re.findall(r"StreamInspector\w+", text)) == set(ALERTS)
