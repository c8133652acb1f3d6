"""The paper's experiments, tables and figures, on rendered parts at the smallest size."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from stream_inspector.counterpart.variants import COUNTERPARTS
from stream_inspector.model.version import Model
from stream_inspector.presets import FEATURE_FAST, PAPER, PER_IMAGE, PIXEL_SMALL
from workers.offline.model_folder import write_model
from workers.offline.reproduce import drawing, pictures, plan
from workers.offline.reproduce.experiments import readings
from workers.offline.reproduce.plan import Places, Wanted, conditions, done, jobs, keep
from workers.offline.reproduce.run import in_a_process, reproduce, run_job
from workers.offline.reproduce.tables import write_tables
from workers.offline.run import Interrupted, Unusable
from workers.offline.settings import TrainerProcessSettings
from workers.offline.train import run as training
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal
from workers.runtime.lifecycle import StopSignal

BUDGET = {"image_false_reject": 0.4, "confidence": 0.5}


@pytest.fixture
def settings() -> TrainerProcessSettings:
    trainer = {"preset": "pixel-small", "iterations": 1, "engine": "torch"}
    return TrainerProcessSettings.model_validate({"trainer": trainer, "budget": BUDGET})


@pytest.mark.slow
def test_tables_and_figures_of_all_jobs_which_are_not_run_twice(
    tiny_model: Model,
    flanges: Path,
    tmp_path: Path,
    settings: TrainerProcessSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "find_preset", lambda _: tiny_model.preset)
    monkeypatch.setattr(plan, "find_preset", lambda _: tiny_model.preset)
    quick = {name: COUNTERPARTS[name] for name in ("masked", "paper")}
    monkeypatch.setattr(pictures, "COUNTERPARTS", quick)
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    for name in ("first", "second"):
        (root / name).symlink_to(flanges)
        tensors = {k.replace("flanges/", f"{name}/"): v for k, v in tiny_model.tensors.items()}
        known = {name: tiny_model.calibrations["flanges"]}
        write_model(Model((name,), tiny_model.preset, tensors, {}, known), Places(out).model(name))
    wanted = Wanted(root, out, ("padim", "draem"), examples=1)
    console, stop, launched = Terminal(), StopSignal(), list[str]()

    def launch(name: str, stop: StopSignal) -> int:
        launched.append(name)
        run_job(settings, wanted, name, console, stop)
        return 0

    reproduce(settings, wanted, console, stop, launch)
    reproduce(settings, wanted, console, stop, launch)

    assert launched == ["first", "second", "unified"]
    table = (out / "table-1.md").read_text()
    assert (
        "| category | padim | draem | ours | ours, tuned | ours, unified | published: ours |"
        in table
    )
    assert "| mean of 2 |" in table
    assert "| published: MVTec AD, mean of 15 | 97.5 / 92.1 | 97.3 / 93.0 | 96.7 / 93.7 |" in table
    with (out / "table-2.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["reading"] for row in rows} == {"own", "T of 250", "T of 1000", "per image"}
    assert {row["member"] for row in rows} >= {"kl", "features", "kl+features", "tuned"}
    assert all(0 <= float(row["pixel_auroc"]) <= 1 for row in rows)
    for figure in ("figure-4", "figure-6", "figure-7"):
        picture = drawing.load(Places(out).figure(figure))
        assert picture is not None
        assert picture.std() > 10
        assert Places(out).figure(figure).with_suffix(".pdf").read_bytes()[:4] == b"%PDF"
    unified = json.loads(Places(out).results("unified").read_text())
    assert unified["categories"].keys() == {"first", "second"}


def test_readings_are_the_preset_s_own_and_the_two_of_the_paper() -> None:
    assert [(each.name, each.preset.scoring.score_chain) for each in readings(PAPER)] == [
        *(("T of 250", 250), ("T of 1000", 1000), ("per image", 250))
    ]
    small = readings(PIXEL_SMALL)
    assert [each.name for each in small] == ["own", "T of 250", "T of 1000", "per image"]
    assert small[0].preset == PIXEL_SMALL
    assert [each.preset.scoring.score_steps for each in small[1:3]] == [(5, 50, 100)] * 2
    assert small[3].preset.normalisation == PER_IMAGE
    other = readings(FEATURE_FAST)[1].preset
    assert other.feature is not None
    assert (other.feature.score_chain, other.pixel) == (250, FEATURE_FAST.pixel)


def test_a_job_that_fails_is_named_and_the_others_go_on(
    flanges: Path, tmp_path: Path, settings: TrainerProcessSettings
) -> None:
    root = _root(tmp_path, flanges)
    launched = list[str]()

    def launch(name: str, _: StopSignal) -> int:
        launched.append(name)
        return 65 if name == "first" else 0

    with pytest.raises(Unusable, match=r"first: failed.*tries again"):
        reproduce(settings, Wanted(root, tmp_path / "out"), Terminal(), StopSignal(), launch)
    assert launched == ["first", "second", "unified"]


def test_a_stop_ends_it_after_the_job_in_work(
    flanges: Path, tmp_path: Path, settings: TrainerProcessSettings
) -> None:
    stop, launched = StopSignal(), list[str]()

    def launch(name: str, stop: StopSignal) -> int:
        launched.append(name)
        stop.set()
        return 130

    with pytest.raises(Interrupted, match="goes on from here"):
        wanted = Wanted(_root(tmp_path, flanges), tmp_path / "out")
        reproduce(settings, wanted, Terminal(), stop, launch)
    assert launched == ["first"]


def test_results_of_other_settings_are_refused(
    tmp_path: Path, settings: TrainerProcessSettings
) -> None:
    places, wanted = Places(tmp_path), Wanted(tmp_path, tmp_path)
    given = conditions(settings, wanted)
    assert done(places, "bolts", given) is None
    keep(places, "bolts", given, {"seconds": 1.0})
    found = done(places, "bolts", given)
    assert found is not None
    assert found["seconds"] == 1
    other = settings.model_copy(update={"trainer": settings.trainer.model_copy(update={"seed": 1})})
    with pytest.raises(SettingsError, match=r"other settings \(seed\); give another --out"):
        done(places, "bolts", conditions(other, wanted))
    places.results("bolts").write_text("{")
    with pytest.raises(SettingsError, match="no results file"):
        done(places, "bolts", given)


def test_one_category_has_no_unified_job(flanges: Path, tmp_path: Path) -> None:
    from workers.offline.images.datasets import categories_in

    one, two = categories_in(flanges), categories_in(_root(tmp_path, flanges))
    assert jobs(one, Wanted(flanges, tmp_path)) == ["flanges"]
    assert jobs(two, Wanted(flanges, tmp_path, unified=False)) == ["first", "second"]


def test_an_unknown_method_is_refused(
    flanges: Path, tmp_path: Path, settings: TrainerProcessSettings
) -> None:
    wanted = Wanted(flanges, tmp_path, ("padim", "best"))
    with pytest.raises(SettingsError, match="--methods: no 'best'"):
        reproduce(settings, wanted, Terminal(), StopSignal(), lambda *_: 0)


def test_a_table_of_btad_has_btad_s_published_row(tmp_path: Path) -> None:
    row = {"image_auroc": 0.9, "pixel_auroc": 0.8, "aupro_30": 0.7, "aupro_05": 0.6}
    rows = [{"reading": "T of 250", "member": name, **row} for name in ("kl", "kl+features")]
    job = {"conditions": {"preset": "paper"}, "seconds": 60.0, "rows": rows, "others": []}
    write_tables(tmp_path, dict.fromkeys(("01", "02", "03"), job))
    table = (tmp_path / "table-1.md").read_text()
    assert "| published: BTAD, mean of 3 | - / 78.7 |" in table
    assert "| 01 | 80.0 / 70.0 |" in table


def test_pages_of_different_width_lie_below_each_other() -> None:
    dark = [np.zeros((4, width, 3), np.uint8) for width in (6, 3)]
    page = drawing.stacked(dark)
    assert page.shape == (8, 6, 3)
    assert (page[4:, 3:] == 255).all()


@pytest.mark.integration
def test_a_job_in_a_process_ends_with_its_code(tmp_path: Path) -> None:
    assert (
        in_a_process(["--data", str(tmp_path / "none"), "--out", str(tmp_path)])(
            "first", StopSignal()
        )
        == 65
    )


def _root(tmp_path: Path, flanges: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    for name in ("first", "second"):
        (root / name).symlink_to(flanges)
    return root
