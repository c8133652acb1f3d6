"""Pauses that people announce."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from schemas.camera_state import CameraCondition, CameraState
from workers.cli import app
from workers.line.announce import announce, end_of_pause, states
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
    told = states(CameraCondition.PAUSED, ["cam-1", "line-2-*"], why="tools", until=until)
    announce(broker.producer(), "camera-states", told)
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


@pytest.mark.parametrize("camera", ["", "x" * 300, "a\x1b[31mb\nc", "cam\udcff"])
def test_a_name_that_no_camera_can_have_is_refused_and_shown_as_text(camera: str) -> None:
    with pytest.raises(typer.BadParameter, match="--camera") as found:
        states(CameraCondition.RESUMED, [camera], why="", until=None)
    assert str(found.value).isprintable()


@pytest.mark.slow
def test_a_pause_that_nobody_heard_of_is_not_said_to_hold() -> None:
    nobody = ["--set", "kafka.bootstrap_servers=127.0.0.1:1", "--set", "kafka.connect_timeout_s=1"]
    result = CliRunner().invoke(app, ["line", "pause", "--until", "45m", *nobody])
    assert result.exit_code == 69
    assert "silence is no alarm" not in result.output
