"""Dead letters on a real broker: found, looked at, replayed once."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.outcome import RejectReason
from workers.cli import app
from workers.runtime.bus.kafka.reading.snapshot import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def dlq(stage: Any, *words: str) -> str:
    servers = ["--bootstrap-servers", stage.kafka.bootstrap_servers]
    result = CliRunner().invoke(app, ["dlq", *words, *servers])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dead_letter_is_replayed_once_with_its_lineage(stage: Any, tmp_path: Path) -> None:
    stage.worker(**{"models.null_detector_ms": 0})
    stage.send(3, data=b"no image at all")
    stage.send(3)
    stage.until(lambda: not stage.lost())
    rows = [json.loads(line) for line in dlq(stage, "list", "--json").splitlines()]
    assert [row["reason"] for row in rows] == ["undecodable"] * 3
    first = rows[0]["outcome_id"]
    shown = dlq(stage, "show", first, "--out", str(tmp_path / "frame"))
    assert "no whole PNG" in " ".join(shown.split())
    assert (tmp_path / "frame").read_bytes() == b"no image at all"
    for expected in ("1 dead letters replayed", "0 dead letters replayed"):
        assert expected in dlq(stage, "replay", "--id", first, "--why", "again")
    stage.until(lambda: len(stage.outcomes) >= 7)
    [outcome] = [o for o in stage.outcomes if o.run != "live"]
    assert outcome.rejected is RejectReason.UNDECODABLE  # the bytes are as bad as before
    assert outcome.replayed_from is not None
    assert outcome.replayed_from.startswith("frames/")
    assert len(list(read_topic(stage.kafka, "frames"))) == 7


def test_a_topic_that_does_not_exist_holds_nothing(stage: Any) -> None:
    assert list(read_topic(stage.kafka, "nothing-here")) == []
