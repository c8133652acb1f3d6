import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream_inspector.baselines import cutpaste
from stream_inspector.model.version import Model
from workers.cli import app
from workers.offline.compare import library
from workers.offline.compare import run as comparing
from workers.offline.compare.budget import Budget, Effort, effort
from workers.offline.compare.methods import OURS, Row, means
from workers.offline.compare.table import tell_comparison, write_csv
from workers.offline.model_folder import write_model
from workers.offline.scoring.ranking import Ranking
from workers.runtime.host.terminal import Terminal


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *(str(argument) for argument in arguments)])


@pytest.mark.slow
def test_methods_are_measured_beside_ours_in_every_category_of_a_root(
    tiny_model: Model, flanges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutpaste, "GAUSSIAN", 32)
    monkeypatch.setattr(cutpaste, "BATCH", 2)
    root, models, file = tmp_path / "root", tmp_path / "models", tmp_path / "all.json"
    root.mkdir()
    for name in ("first", "second"):
        (root / name).symlink_to(flanges)
        tensors = {k.replace("flanges/", f"{name}/"): v for k, v in tiny_model.tensors.items()}
        write_model(Model((name,), tiny_model.preset, tensors, {}), models / name)
    given = ("--model", models, "--methods", "ours,padim,cflow,cutpaste", "--engine", "torch")

    result = run("--data", root, *given, "--json", file, "--iterations", 2)

    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    rows, methods = figures["rows"], [OURS, "padim", "cflow", "cutpaste"]
    assert [(row["category"], row["method"]) for row in rows] == [
        (category, method) for category in ("first", "second") for method in methods
    ]
    assert [row["method"] for row in figures["mean"]] == methods
    assert [row["iterations"] for row in figures["mean"]] == [None, None, 2, 2]
    assert figures["published"]["cflow"] == {"pixel_auroc": 98.6, "aupro_30": 94.6}
    assert "not measured here" in result.output
    assert all(row["ranking"]["pixel_auroc"] > 0.9 for row in rows if row["method"] == "padim")
    assert all(row["ms_per_image"] > 0 and row["megabytes"] > 0 for row in rows)
    assert [row["fit_seconds"] is None for row in rows] == 2 * [True, False, False, False]


@pytest.mark.slow
def test_without_a_model_ours_is_trained(
    tiny_model: Model, flanges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "find_preset", lambda _: tiny_model.preset)
    file = tmp_path / "ours.json"
    given = ("--methods", "ours", "--preset", "pixel-small", "--iterations", 1)

    result = run("--data", flanges, *given, "--engine", "torch", "--json", file)

    assert result.exit_code == 0, result.output
    (row,) = json.loads(file.read_text())["rows"]
    assert row["fit_seconds"] > 0


def test_an_unknown_method_is_refused_before_any_work(flanges: Path) -> None:
    result = run("--data", flanges, "--methods", "padim,fastflow")
    assert result.exit_code == 78
    assert "no 'fastflow'; allowed: ours, cutpaste" in result.output


def test_a_model_of_a_library_that_is_not_there_is_refused_by_the_extra_s_name(
    flanges: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    result = run("--data", flanges, "--with", "EfficientAd")
    assert result.exit_code == 78
    assert "--with EfficientAd: anomalib is not installed" in result.output
    assert "stream-inspector[anomalib]" in result.output


@pytest.mark.parametrize(("minutes", "given"), [("0", ()), ("long", ()), ("ours", ("--model", 1))])
def test_minutes_that_cannot_be_are_refused(
    minutes: str, given: tuple[object, ...], flanges: Path, tiny_model: Model, tmp_path: Path
) -> None:
    if given:
        write_model(tiny_model, tmp_path / "flanges")
        given = ("--model", tmp_path / "flanges", "--methods", "padim")
    result = run("--data", flanges, "--minutes", minutes, *given)
    assert result.exit_code == 78, result.output
    assert "--minutes" in result.output


def test_a_budget_of_minutes_begins_with_the_first_iteration() -> None:
    now, told = [100.0], list[tuple[int, int]]()
    budget = Budget(Effort(minutes=2), 10, lambda *at: told.append(at), lambda: now[0])
    assert budget(0) == 0
    now[0] += 60
    assert budget(5) == 0.5
    now[0] += 60
    assert budget(9) == 1
    assert (budget.done, told) == (9, [(0, 100), (50, 100), (100, 100)])


def test_a_budget_of_iterations_is_the_method_s_own_unless_told() -> None:
    assert [Budget(Effort(), 4, lambda *_: None)(done) for done in (0, 2, 4)] == [0, 0.5, 1]
    assert Budget(Effort(iterations=2), 4, lambda *_: None)(2) == 1
    assert Budget(Effort(iterations=0), 4, lambda *_: None)(0) == 1
    assert effort("ours", None).of(90.0) == Effort(minutes=1.5)


def _row(category: str, auroc: float, seconds: float | None) -> Row:
    return Row(category, "padim", Ranking(auroc), seconds, 2 * auroc, 4 * auroc)


def test_the_mean_is_over_categories() -> None:
    (mean,) = means([_row("a", 0.5, 1.0), _row("b", 1.0, 3.0)])
    assert (mean.category, mean.method) == ("mean", "padim")
    assert (mean.ranking.image_auroc, mean.fit_seconds) == (0.75, 2.0)
    assert (mean.ms_per_image, mean.megabytes) == (1.5, 3.0)
    assert means([_row("a", 0.5, None), _row("b", 1.0, 3.0)])[0].fit_seconds is None


def test_the_table_names_its_category_in_every_line(tmp_path: Path) -> None:
    out = io.StringIO()
    rows = [_row("a", 0.5, None), _row("a", 0.75, 1.0), _row("b", 1, 2)]
    tell_comparison(rows, Terminal(file=out))
    words = [line.split() for line in out.getvalue().splitlines() if "padim" in line]
    assert [each[0] for each in words] == ["a", "a", "b"]
    assert [each[2] for each in words] == ["0.500", "0.750", "1.000"]
    assert [each[3] for each in words] == ["n/a"] * 3
    assert [each[-3] for each in words] == ["given", "1.0", "2.0"]
    write_csv(rows, tmp_path / "sub/table.csv")
    with (tmp_path / "sub/table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [each["aupro_30"] for each in read] == [""] * 3
    assert [float(each["image_auroc"]) for each in read] == [0.5, 0.75, 1]
    assert [each["published"] for each in read] == ["97.5 / 92.1"] * 3
