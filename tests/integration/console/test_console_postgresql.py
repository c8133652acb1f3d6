"""The history on a real PostgreSQL: the same as on SQLite, by two consoles at once."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from schemas.outcome import Verdict
from schemas.review import Judgement, Review, Sample
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from tests.console.floor import NOW, Floor, users
from workers.console.asking.shift import Wanted, shift_report
from workers.console.asking.trials import compare_trial
from workers.console.history import tables
from workers.console.history.database import open_database
from workers.console.history.fitting import milliseconds
from workers.console.history.retention import tidy
from workers.console.history.writing import part_of
from workers.runtime.errors import ServerUnreachable
from workers.runtime.registry.registry import Activation
from workers.runtime.registry.trial import Mode, Trial

pytestmark = pytest.mark.integration


def rows(floor: Floor) -> int:
    with floor.database.read() as connection:
        found = connection.execute(select(func.count()).select_from(tables.outcomes))
        return int(found.scalar_one())


def test_two_consoles_on_one_postgresql(postgresql: str, tmp_path: Path) -> None:
    floor = Floor(tmp_path / "one", database=postgresql)
    defects = [floor.part(sequence=n, verdict=Verdict.DEFECT) for n in range(3)]
    odd = floor.part(sequence=9).model_copy(
        update={"model_version": "v\x00" * 400, "outcome_id": "a" * 32}
    )
    floor.publish(floor.settings.topics.outcomes, odd)
    floor.alarm(count=10**30, cause="c" * 9999, message="m\x00")
    aged = defects[0].model_copy(
        update={"decided_at": NOW - timedelta(days=40), "outcome_id": "f" * 32}
    )
    floor.publish(floor.settings.topics.outcomes, aged)

    other = Floor(tmp_path / "two", database=postgresql)
    other.broker = floor.broker
    other.producer = floor.producer
    other.settings.console.access.users["otto"] = users()["olga"]
    floor.read()
    for feed in other.feeds:  # at the same time: from the beginning, too
        records = floor.broker.records(feed.topic)
        if records:
            feed.keep(records)
    assert (rows(floor), rows(other)) == (6, 6)
    with floor.database.read() as connection:  # each is counted once, whoever read it first
        counted = connection.execute(select(func.sum(tables.tallies.c.parts))).scalar_one()
        drawn = connection.execute(select(func.count()).select_from(tables.draws)).scalar_one()
    assert (counted, drawn) == (6, 6)
    assert sum(feed.passed_over for feed in (*floor.feeds, *other.feeds)) == 0

    olga, otto = floor.browser("olga"), other.browser("otto")
    hers, his = (each.get("/review/defects").text for each in (olga, otto))
    shown = {
        part
        for part in map(part_of, defects)
        if f'data-part="{part}"' in hers or f'data-part="{part}"' in his
    }
    assert len(shown) == 2
    data = {"token": floor.token(olga), "judgement": "right"}
    for part in shown:
        olga.post("/review/defects", data=data | {"part": part})
    found = otto.get("/search.csv", params={"judgement": "right"}).text
    assert found.count(",olga,") == 1  # the other part is otto's
    assert tidy(floor.database, keep_days=30, keep_rows=1000) >= 1
    assert rows(other) == 5
    floor.database.close()
    other.database.close()


def test_what_is_asked_of_a_category_is_answered_by_postgresql(
    postgresql: str, tmp_path: Path
) -> None:
    floor = Floor(tmp_path, database=postgresql)
    store = floor.room.versions.store
    scores = np.linspace(0.01, 1.0, 100)
    maps = np.repeat(scores[:, None, None], 4, axis=1).astype(np.float32)
    made = {"bolts": calibrate(maps, scores, Budget()).to_dict()}
    manifest = {"version": "v1", "calibrations": made, "tensors": {}, "provenance": {}}
    store.push(["bolts"], "v1", json.dumps(manifest).encode(), b"x")
    store.activate("bolts", "v1", "ada", "first")
    for number in range(20):
        part = floor.part("line-5", number, score=number / 10, model_version="v1")
        word = Review.of(part, Judgement.RIGHT, by="olga", at=NOW, sample=Sample.AUDIT)
        floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    client = floor.browser("emil")
    for path, said in {
        "/category": "bolts",
        "/category?name=bolts&period=month": "20 good parts of this calibration",
        "/thresholds/bolts?false_alarms=20&escapes=5": "20 reviewed good parts",
        "/review/random-sample": "Nothing waits here",
    }.items():
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert said in answer.text, path
    floor.database.close()


def test_trials_alarms_and_shift_reports_on_postgresql(postgresql: str, tmp_path: Path) -> None:
    floor = Floor(tmp_path, database=postgresql)
    with floor.database.write() as connection:  # what another test left
        for table in (tables.outcomes, tables.positions, tables.alarms):
            connection.execute(table.delete())
    begun = Activation(1, "abc", "ada", "", (NOW - timedelta(hours=1)).isoformat())
    for number in range(4):
        outcome = floor.part(sequence=number, verdict=Verdict.DEFECT if number else Verdict.PASS)
        shadow = outcome.model_copy(update={"model_version": "new", "verdict": Verdict.PASS})
        floor.publish(floor.settings.topics.shadows, shadow)
    alarm = floor.alarm("line-1")
    floor.read()
    client = floor.browser("olga")
    until = str(milliseconds(alarm.raised_at))
    form = {"camera": "line-1", "cause": alarm.cause, "until": until, "token": floor.token(client)}
    assert client.post("/lines/alarms", data=form).status_code == 303
    span = (milliseconds(NOW - timedelta(hours=1)), milliseconds(NOW + timedelta(hours=1)))
    with floor.database.read() as connection:
        shadow_of = compare_trial(connection, "bolts", begun, Trial("new", Mode.SHADOW), 0.95)
        canary = compare_trial(connection, "bolts", begun, Trial("new", Mode.CANARY), 0.95)
        shift = shift_report(connection, Wanted(*span))
    assert (shadow_of.old_frames, shadow_of.only_old, shadow_of.only_new) == (4, 3, 0)
    assert (canary.old_frames, canary.new_frames) == (4, 0)
    assert (shift.total.parts, shift.total.rejects) == (4, 3)
    assert shift.alarms == [("camera-silent", "critical", 1, 1)]
    floor.database.close()


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    with pytest.raises(ServerUnreachable, match=r"console\.database") as told:
        open_database("postgresql://me@127.0.0.1:1/x", "secret-word")
    assert "secret-word" not in str(told.value)
