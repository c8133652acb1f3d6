"""The prepared script, every part of it, on a processor at a size of seconds."""

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from benchmarks.accelerator import __main__ as program
from benchmarks.accelerator import scoring
from benchmarks.accelerator.report import markdown
from benchmarks.accelerator.row import small_row

PARTS = ("agreement", "training", "scoring", "released loop", "ceiling", "counterparts")


@pytest.mark.slow
def test_every_part_runs_on_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "modes", lambda _: ())  # a compiler is not on every machine
    app = typer.Typer()
    app.command()(program.main)

    result = CliRunner().invoke(app, ["--small", "--device", "cpu", "--out", str(tmp_path)])

    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "report.json").read_text())
    assert [name for name in PARTS if not found.get(name) or "failed" in found[name]] == []
    said = (tmp_path / "report.md").read_text()
    assert all(f"## {name}" in said for name in PARTS)
    lines = found["scoring"]
    assert {(line["precision"], line["batch"]) for line in lines} == {
        (name, batch) for name in ("fp32", "tf32", "bf16") for batch in (1, 2)
    }
    assert all(line["ms_per_image"] > 0 for line in lines)
    assert all(line["losses"] for line in found["training"])
    # bfloat16 has three digits: its maps rank almost as single precision's do
    assert found["agreement"]["tf32"]["kl"]["largest"] == 0  # a processor has no tf32
    assert 0.9 < found["agreement"]["bf16"]["kl"]["rank correlation"] < 1
    assert {line["variant"] for line in found["counterparts"]} == {"paper", "released", "masked"}


def test_what_fails_costs_only_itself(tmp_path: Path) -> None:
    report = program.Report(tmp_path, small_row(torch.device("cpu")), 60)

    def breaks(*_: object) -> None:
        raise RuntimeError("out of memory")

    report.add("first", breaks)
    report.add("second", lambda *_: {"ms": 1.0})
    report.seconds = 0
    report.add("third", breaks)

    found = json.loads((tmp_path / "report.json").read_text())
    assert found["first"] == {"failed": "RuntimeError: out of memory"}
    assert found["second"] == {"ms": 1.0}
    assert found["third"] == {"left out": "no time was left"}


def test_a_table_has_a_column_for_whatever_a_row_knows() -> None:
    said = markdown({"part": [{"a": 1}, {"a": 2, "b": 0.12345}], "gap": {"x": {"kl": {"m": 2.0}}}})
    assert "| a | b |\n|---|---|\n| 1 |  |\n| 2 | 0.123 |" in said
    assert "|  | kl m |\n|---|---|\n| x | 2 |" in said
