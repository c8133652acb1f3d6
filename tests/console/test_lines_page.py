"""The lines page: what is open, who sees to it, and which stops are planned."""

from datetime import UTC, datetime, timedelta

import pytest
from floor import NOW, Floor
from sqlalchemy import select
from starlette.testclient import TestClient

from schemas.acknowledgement import Acknowledgement
from schemas.alarm import AlarmPhase, Severity
from schemas.camera_state import CameraCondition, CameraState
from schemas.envelope import event_type
from workers.console.asking.alarms import open_alarms
from workers.console.asking.stops import reason, stops
from workers.console.history import tables
from workers.console.history.fitting import milliseconds

NOW_MS = milliseconds(NOW)


def opened(floor: Floor) -> list[tuple[str, str, int, str | None]]:
    with floor.database.read() as connection:
        found = open_alarms(connection, NOW_MS)
    return [(each.camera, each.severity, each.count, each.by) for each in found]


def seen_to(floor: Floor, client: TestClient, **form: object) -> int:
    given = {"camera": "line-1", "cause": "camera-silent", "until": NOW_MS, "note": "a cable"}
    data = {"token": floor.token(client), **given, **form}
    answer = client.post("/lines/alarms", data={k: str(v) for k, v in data.items()})
    return answer.status_code


def test_an_operator_sees_to_an_alarm_and_everybody_sees_who(floor: Floor) -> None:
    floor.alarm("line-1")
    floor.alarm("line-1", severity=Severity.WARNING, raised_at=NOW - timedelta(minutes=3))
    floor.alarm("line-2", severity=Severity.WARNING)
    floor.read()
    assert opened(floor) == [("line-1", "critical", 2, None), ("line-2", "warning", 1, None)]
    assert seen_to(floor, floor.browser("olga")) == 303
    assert opened(floor) == [("line-2", "warning", 1, None), ("line-1", "critical", 1, "olga")]
    page = floor.browser("vera").get("/lines").text
    assert "olga sees to it" in page
    assert "a cable" in page
    assert "<form method" not in page.partition("<main")[2]  # a viewer says nothing
    assert floor.room.trail.newest()[1].act == "acknowledge"
    (record,) = [
        each
        for each in floor.broker.records(floor.settings.topics.alarms)
        if dict(each.headers)["ce_type"] == event_type("acknowledgement").encode()
    ]
    said = Acknowledgement.decode(record.headers, record.value)
    assert (said.by, said.camera_id, said.until) == ("olga", "line-1", NOW)


def test_a_history_that_is_lost_is_acknowledged_again(floor: Floor) -> None:
    """And whoever said so first is named, however often it is read."""
    floor.alarm("line-1")
    floor.read()
    assert seen_to(floor, floor.browser("olga")) == 303
    assert seen_to(floor, floor.browser("emil"), note="me, too") == 303
    with floor.database.write() as connection:
        connection.execute(tables.alarms.delete())
        connection.execute(tables.positions.delete())
    floor.read()
    floor.read()
    assert opened(floor) == [("line-1", "critical", 1, "olga")]


def test_what_comes_after_is_open_again(floor: Floor) -> None:
    floor.alarm("line-1")
    floor.read()
    assert seen_to(floor, floor.browser("olga")) == 303
    floor.alarm("line-1", raised_at=NOW + timedelta(seconds=1))
    floor.alarm("line-1", cause="defect")
    floor.read()
    assert opened(floor) == [("line-1", "critical", 1, None), ("line-1", "critical", 1, None)]


def test_an_all_clear_leaves_what_nobody_has_seen(floor: Floor) -> None:
    clear = {"phase": AlarmPhase.ALL_CLEAR, "severity": Severity.INFO}
    for camera in ("line-1", "line-2"):
        floor.alarm(camera)
        floor.alarm(camera, **clear, raised_at=NOW + timedelta(seconds=5))
    floor.read()
    assert seen_to(floor, floor.browser("olga")) == 303
    assert [each[0] for each in opened(floor)] == ["line-2"]
    assert "over, not acknowledged" in floor.browser("vera").get("/lines").text


@pytest.mark.parametrize("form", [{"until": "soon"}, {"camera": ""}, {"until": "9" * 30}])
def test_half_a_form_acknowledges_nothing(floor: Floor, form: dict[str, str]) -> None:
    floor.alarm("line-1")
    floor.read()
    assert seen_to(floor, floor.browser("olga"), **form) == 422
    assert opened(floor)[0][3] is None


def test_a_viewer_and_another_site_acknowledge_nothing(floor: Floor) -> None:
    floor.alarm("line-1")
    floor.read()
    assert seen_to(floor, floor.browser("vera")) == 403
    assert seen_to(floor, floor.browser("olga"), token="x") == 403
    assert opened(floor)[0][3] is None


def test_a_stop_is_planned_and_ended_by_button(floor: Floor) -> None:
    client = floor.browser("olga")
    form = {"act": "pause", "camera": "line-1-*", "minutes": "45", "why": "change of tools"}
    answer = client.post("/lines/stops", data={**form, "token": floor.token(client)})
    assert answer.status_code == 303
    page = client.get("/lines").text
    assert "change of tools" in page
    record = floor.broker.records(floor.settings.topics.camera_states)[0]
    said = CameraState.decode(record.headers, record.value)
    assert (said.camera, said.state, said.by) == ("line-1-*", CameraCondition.PAUSED, "olga")
    assert said.until is not None
    assert timedelta(minutes=44) < said.until - datetime.now(UTC) <= timedelta(minutes=45)
    ended = {"act": "resume", "camera": "line-1-*", "token": floor.token(client)}
    assert client.post("/lines/stops", data=ended).status_code == 303
    assert "None is announced" in client.get("/lines").text


def test_what_makes_no_stop_is_said(floor: Floor) -> None:
    client = floor.browser("olga")
    token = floor.token(client)
    good = {"act": "pause", "camera": "line-1", "minutes": "45", "why": "tools", "token": token}
    for form, said in (
        ({"minutes": "0"}, "a number from 1"),
        ({"minutes": "99999"}, "a number from 1"),
        ({"minutes": "²"}, "a number from 1"),
        ({"why": " "}, "Say why"),
        ({"camera": "a\x07b"}, "printable"),
        ({"camera": "c" * 300}, "printable"),
    ):
        answer = client.post("/lines/stops", data={**good, **form})
        assert (answer.status_code, said in answer.text) == (422, True), form
    assert floor.broker.records(floor.settings.topics.camera_states) == []


def state(camera: str, condition: CameraCondition, minutes: int, number: int) -> CameraState:
    at = NOW + timedelta(minutes=minutes)
    paused = condition is CameraCondition.PAUSED
    return CameraState(
        state_id=f"{number:032x}",
        camera=camera,
        state=condition,
        until=at + timedelta(hours=1) if paused else None,
        by="ada",
        why="tools",
        announced_at=at,
    )


def test_resuming_all_ends_what_was_announced_before(floor: Floor) -> None:
    paused, resumed = CameraCondition.PAUSED, CameraCondition.RESUMED
    for number, (camera, condition, minutes) in enumerate(
        [("line-1", paused, -9), ("line-2", paused, -9), ("*", resumed, -8), ("line-3", paused, -7)]
    ):
        message = state(camera, condition, minutes, number)
        floor.publish(floor.settings.topics.camera_states, message)
    floor.read()
    with floor.database.read() as connection:
        assert [each.camera for each in stops(connection, NOW_MS)] == ["line-3"]


def test_frames_after_an_orderly_end_show_that_a_camera_runs(floor: Floor) -> None:
    ended = state("line-1", CameraCondition.STOPPED, -30, 1)
    floor.publish(floor.settings.topics.camera_states, ended)
    floor.read()
    with floor.database.read() as connection:
        found = stops(connection, NOW_MS)
        assert connection.execute(select(tables.pauses.c.camera)).all() == [("line-1",)]
    at = milliseconds(ended.announced_at)
    assert reason(found, "line-1", at - 1) == "tools"
    assert reason(found, "line-1", at + 1) is None
    assert reason(found, "line-2", at - 1) is None
