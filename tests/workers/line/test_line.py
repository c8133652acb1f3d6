"""Pauses that people announce."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from schemas.camera_state import CameraCondition, CameraState
from workers.cli import app
from workers.line.announce import announce, end_of_pause
from workers.runtime.bus.memory import MemoryBroker

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("45m", 0.75),
        ("8h", 8),
        ("3d", 72),
        ("2026-03-14T11:00+01:00", 1),
        ("2026-03-15T09:00Z", 24),
    ],
)
def test_an_end_is_a_span_from_now_or_a_time(text: str, hours: float) -> None:
    assert end_of_pause(text, NOW) == NOW + timedelta(hours=hours)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "0m", "-5m", "32d", "999999d", "2026-03-14T08:59Z", "9999-12-31T00:00Z", "5"],
)
def test_an_end_that_is_over_far_away_or_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--until"):
        end_of_pause(text, NOW)


def test_each_camera_or_pattern_is_announced() -> None:
    broker = MemoryBroker()
    until = NOW + timedelta(hours=1)
    announce(
        *(broker.producer(), "camera-states", CameraCondition.PAUSED, ["cam-1", "line-2-*"]),
        why="tools",
        until=until,
    )
    found = [CameraState.decode(r.headers, r.value) for r in broker.records("camera-states")]
    assert {(s.camera, s.state, s.until, s.why) for s in found} == {
        ("cam-1", CameraCondition.PAUSED, until, "tools"),
        ("line-2-*", CameraCondition.PAUSED, until, "tools"),
    }
    assert all("@" in state.by for state in found)


def test_a_wrong_time_is_refused_before_the_broker_is_asked() -> None:
    result = CliRunner().invoke(app, ["line", "pause", "--until", "yesterday"])
    assert result.exit_code == 2
    assert "--until 'yesterday'" in result.output.replace("\n", " ") or "--until" in result.output
