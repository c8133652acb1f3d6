"""Who gives way, clocks that are set, and silence with its end and its memory."""

import json

import pytest
from line import OUTCOMES, SETTINGS, Line, now, restarted

from schemas.alarm import Severity
from workers.notifier.settings import WatchSettings


def test_expected_cameras_never_give_way_to_ids_that_do_not_exist() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1", "cam-2"]))
    line.see(1)
    for number in range(1100):
        line.see(1, camera=f"ghost-{number}", seconds=1)
    assert {found.camera_id for found in line.said} == {"unknown-cameras"}
    assert len(line.said) == 1100
    silent = line.watch.tick(now(100))
    assert [found.camera_id for found in silent] == ["cam-1", "cam-2"]
    assert len(line.watch.roster) == 2 + 1000


def test_a_camera_that_is_not_listed_but_sends_steadily_is_watched() -> None:
    line = Line(WatchSettings(silent_after_s=60, expected_cameras=["cam-1"]))
    line.see(*range(20), camera="cam-7")
    assert [found.camera_id for found in line.watch.tick(now(60))] == ["cam-1", "cam-7"]


def test_familiar_cameras_do_not_give_way_to_newcomers() -> None:
    line = Line(SETTINGS.model_copy(update={"max_newcomers": 10}))
    line.see(*range(12))
    for number in range(100):
        line.see(1, camera=f"ghost-{number}")
    assert line.watch.roster.find("cam-1") is not None
    assert line.watch.roster.crowded_out == 90
    assert line.causes == ["unknown-camera"] * 90


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_is_nobodys_silence_and_hides_none(step: float) -> None:
    line = Line().see(1)
    assert line.watch.tick(now(59, wall=59 + step)) == []
    (silence,) = line.watch.tick(now(60, wall=60 + step))
    assert silence.text == "no outcome for 60 s"


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_ends_no_grace(step: float) -> None:
    line = Line().see(1, 3)
    assert line.watch.tick(now(4, wall=4 + step)) == []
    assert len(line.watch.tick(now(5, wall=5 + step))) == 1


def test_an_all_clear_follows_when_a_silent_camera_is_heard_again() -> None:
    line = Line().see(1)
    line.watch.tick(now(60))
    line.see(2, seconds=130)
    (clear,) = line.said
    assert (clear.cause, clear.severity, clear.all_clear) == ("camera-silent", Severity.INFO, True)
    assert clear.text == "heard again after 130 s"
    assert line.see(3, seconds=131).said == [clear]


def test_a_silence_that_was_told_is_not_told_again_after_a_restart_but_its_end_is() -> None:
    line = Line().see(1)
    line.watch.tick(now(60))
    line = restarted(line, read_from=1, seconds=100)
    assert line.told(1000) == []
    assert line.see(2, seconds=1001).causes == ["camera-silent"]


def test_a_camera_that_never_came_is_told_once_across_restarts() -> None:
    settings = WatchSettings(silent_after_s=60, expected_cameras=["cam-9"])
    line = Line(settings)
    assert len(line.told(60)) == 1
    fresh = Line(settings)
    fresh.watch.restore(json.loads(json.dumps(line.watch.snapshot())), now(0))
    assert fresh.told(1000) == []
    assert fresh.see(0, camera="cam-9").causes == ["camera-silent"]


@pytest.mark.parametrize(
    "damage",
    [
        {"cameras": [None, 7, {}, {"camera_id": "x", "partition": "no"}]},
        {"cameras": [{"camera_id": "x", "partition": ["outcomes", 0], "count": {"runs": 7}}]},
        {"positions": [["outcomes"], None, [{}, [], 3]]},
    ],
)
def test_a_damaged_snapshot_costs_what_is_damaged(damage: dict) -> None:
    snapshot = Line().see(1, 2).watch.snapshot() | {"positions": [["outcomes", 0, 2, 0]]}
    for name, items in damage.items():
        snapshot[name] = [*items, *snapshot[name]]
    fresh = Line()
    fresh.offset = 2
    fresh.watch.restore(json.loads(json.dumps(snapshot)), now(0))
    fresh.watch.activate([OUTCOMES], now(0))
    assert fresh.see(4).told(30) == ["1 frame without an outcome (sequence 3)"]
