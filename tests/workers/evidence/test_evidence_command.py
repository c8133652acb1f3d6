"""`stream-inspector evidence` as its users call it, on a folder."""

import json
import os
from pathlib import Path

import pytest
from evidence_cases import DAY, a_case, put
from typer.testing import CliRunner, Result

from schemas.part import PartRef
from workers.cli import app
from workers.evidence.periodic import Rounds
from workers.runtime.evidence.cases import Case
from workers.runtime.evidence.expiry import read_notice
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.store.files import FolderBlobs
from workers.runtime.store.memory import MemoryBlobs
from workers.runtime.telemetry.metrics.evidence import EvidenceMetrics

RUNNER = CliRunner()
YOUNG_DAY = 1.0


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    blobs = FolderBlobs(tmp_path)
    lot = PartRef(lot="L-17", serial="SN-9", attributes={"cavity": "3"})
    made = [
        a_case(0xA1 << 120, part=lot),
        a_case(0xB2 << 120, "bottle", "near_miss"),
        a_case(0xC3 << 120),
    ]
    found = [put(blobs, each) for each in made]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            now = path.stat().st_mtime
            os.utime(path, (now - 20 * DAY, now - 20 * DAY))
    return found


def run(folder: Path, *arguments: str, code: int = 0) -> Result:
    result = RUNNER.invoke(app, ["evidence", *arguments, "--url", str(folder)])
    assert result.exit_code == code, result.output
    return result


def rows(folder: Path, *arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(folder, *arguments, "--json").stdout.splitlines()]


def test_the_list_says_whose_and_until_when(tmp_path: Path, cases: list[Case]) -> None:
    listed = rows(tmp_path, "list")
    assert {row["case"] for row in listed} == {case.outcome_id for case in cases}
    [near] = rows(tmp_path, "list", "--grade", "near_miss")
    assert (near["category"], near["state"], near["camera"]) == ("bottle", "kept", "line-1")
    assert near["bytes"] == sum(len(data) for data in a_case(0xB2 << 120)[1].values())
    [said] = rows(tmp_path, "list", "--part", "lot=L-1*", "--part", "cavity=3")
    assert said["part"] == ["cavity=3", "serial=SN-9", "lot=L-17"]
    assert near["part"] == []
    assert rows(tmp_path, "list", "--part", "lot=L-2*") == []
    assert run(tmp_path, "list", "--csv", "--category", "bolts").stdout.count("\n") == 3


def test_gc_shows_then_does_and_a_link_tells(tmp_path: Path, cases: list[Case]) -> None:
    [going] = rows(tmp_path, "gc")
    assert (going["case"], going["rule"]) == (cases[1].outcome_id, "near_miss of bottle: 14 days")
    picture = tmp_path / cases[1].pictures["frame"]
    assert read_notice(picture.read_bytes()) is None
    run(tmp_path, "gc", "--apply")
    assert read_notice(picture.read_bytes())
    [row] = rows(tmp_path, "list", "--state", "expired")
    assert row["why"] == "near_miss of bottle: 14 days"
    assert rows(tmp_path, "gc") == []


@pytest.mark.parametrize("way", ["id", "start", "frame", "link", "served"])
def test_a_case_is_held_by_whatever_names_it(tmp_path: Path, cases: list[Case], way: str) -> None:
    case = cases[1]
    picture = case.pictures["heatmap"]
    which = {
        "id": case.outcome_id,
        "start": case.outcome_id[:4],
        "frame": case.frame_id,
        "link": (tmp_path / picture).as_uri(),
        "served": f"https://pictures.plant/x/{picture}?signature=1",
    }[way]
    run(tmp_path, "hold", which, "--why", "complaint 4711", "--by", "eva")
    [row] = rows(tmp_path, "list", "--state", "held")
    assert (row["case"], row["why"], row["by"]) == (case.outcome_id, "complaint 4711", "eva")
    run(tmp_path, "gc", "--apply")
    assert read_notice((tmp_path / picture).read_bytes()) is None
    assert "eva: complaint 4711" in run(tmp_path, "release", which).output
    run(tmp_path, "gc", "--apply")
    assert read_notice((tmp_path / picture).read_bytes())


def test_what_has_expired_cannot_be_held(tmp_path: Path, cases: list[Case]) -> None:
    run(tmp_path, "gc", "--apply")
    result = run(tmp_path, "hold", cases[1].outcome_id, "--why", "late", code=65)
    assert "by rule near_miss of bottle: 14 days" in result.output
    assert rows(tmp_path, "list", "--state", "held") == []


def test_names_that_fit_nothing_or_too_much(tmp_path: Path, cases: list[Case]) -> None:
    assert "no case, frame or picture" in run(tmp_path, "hold", "zz", "--why", "x", code=65).output
    assert "is not held" in run(tmp_path, "release", cases[0].outcome_id, code=65).output
    put(FolderBlobs(tmp_path), a_case(0xA2 << 120))
    assert "may be any of" in run(tmp_path, "hold", "a", "--why", "x", code=65).output


def test_no_store_is_a_setting_that_is_missing() -> None:
    result = RUNNER.invoke(app, ["evidence", "list"])
    assert result.exit_code == 78
    assert "evidence.url" in result.output


def test_a_periodic_run_tells_what_it_found_and_survives_a_store_that_is_away() -> None:
    blobs, metrics = MemoryBlobs(), EvidenceMetrics()
    put(blobs, a_case(1))
    rounds = Rounds(KeepSection(max_gb=1), metrics)
    blobs.available = False
    rounds.run(blobs)
    assert "switched off" in (rounds.ready() or "")
    blobs.available = True
    rounds.run(blobs)
    assert rounds.ready() is None
    value = metrics.registry.get_sample_value
    assert value("evidence_cases") == 1
    assert value("evidence_failed_runs_total") == 1
    assert (value("evidence_bytes") or 0) > 1000
    assert value("evidence_limit_bytes") == 1e9
