"""A long history: no page reads all of it, and no page is large."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event
from starlette.routing import Route
from starlette.testclient import TestClient

from benchmarks.console import (
    MOST_BYTES,
    Plant,
    activate_newest,
    addresses,
    around,
    browser,
    fill,
    room,
    settings,
)
from workers.console.app import make_app
from workers.console.history import tables
from workers.console.history.database import Database, open_database
from workers.console.pages.desk import Room

COUNT = 4000
SMALL = {"cameras", "leases", "meta", "pauses", "positions", "sessions"}
BIG = sorted(set(tables.metadata.tables) - SMALL)
PUSHED = {
    "/",
    "/logout",
    "/live/stream",
    "/report.pdf",
    "/review",
    "/search.csv",
}  # no pages of their own

MISSING = {"a picture", "a comparison"}  # nothing was stored, no version is on trial
SORTED = {"a shift report"}  # the rejects of one shift, by place, cause and how far they are above


class Plans:
    """How SQLite finds what each statement asks for."""

    def __init__(self, database: Database):
        self.told: dict[str, list[str]] = {}
        event.listen(database._reading, "before_cursor_execute", self.note)

    def note(self, _: Any, cursor: Any, statement: str, given: Any, *__: Any) -> None:
        if statement.startswith("SELECT") and statement not in self.told:
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)
            self.told[statement] = [row[3] for row in plan]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Plant, str]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('long')}/history.sqlite3"
    plant = Plant(COUNT, int(time.time() * 1000))
    with closing(open_database(url)) as database:
        fill(database, plant)
        yield database, plant, url


@pytest.fixture(scope="module")
def desk(plant: tuple[Database, Plant, str], tmp_path_factory: pytest.TempPathFactory) -> Room:
    database, _, url = plant
    made = room(settings(url, tmp_path_factory.mktemp("models")), database)
    activate_newest(made)
    return made


@pytest.fixture(scope="module")
def client(desk: Room) -> TestClient:
    return browser(desk)


def test_no_page_reads_a_whole_table(
    plant: tuple[Database, Plant, str], client: TestClient
) -> None:
    """An index is followed for all that may be long, and nothing that is long is sorted."""
    database, made, _ = plant
    plans = Plans(database)
    for what, address in addresses(database, made).items():
        plans.told.clear()
        answer = client.get(address)
        assert answer.status_code in ((404,) if what in MISSING else (200, 303)), what
        for statement, plan in plans.told.items():
            told = f"{what}: {statement}\n{plan}"
            for table in BIG:
                assert f"SCAN {table}" not in [line.strip() for line in plan], told
            whole = [line for line in plan if line == "USE TEMP B-TREE FOR ORDER BY"]
            few = what in SORTED or any("MULTI-INDEX OR" in line for line in plan)
            assert not whole or few, told


def test_pages_are_small(plant: tuple[Database, Plant, str], client: TestClient) -> None:
    database, made, _ = plant
    for what, address in addresses(database, made).items():
        assert len(client.get(address).content) < MOST_BYTES, what


def test_every_page_is_measured(plant: tuple[Database, Plant, str], desk: Room) -> None:
    """A new page has its address in the benchmark."""
    database, made, _ = plant
    measured = [each.partition("?")[0] for each in addresses(database, made).values()]
    for route in make_app(desk).routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            known = any(route.path_regex.match(each) for each in measured)
            assert known or route.path in PUSHED, route.path


def test_a_scan_would_be_noticed(plant: tuple[Database, Plant, str]) -> None:
    database, _, _ = plant
    plans = Plans(database)
    with database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM outcomes WHERE model_version = 'v1'")
    assert ["SCAN outcomes"] in plans.told.values()


def test_the_filled_history_is_as_messages_would_make_it(
    plant: tuple[Database, Plant, str],
) -> None:
    """What waits has no word, and what was said stands with its part."""
    _, made, _ = plant
    rows = list(made.outcomes())
    said = [each for row in rows for table, each in around(row) if table is tables.words]
    assert {each["part"] for each in said} == {r["part"] for r in rows if r["judgement"]}
    assert not [r for r in rows if r["queue"] and r["judgement"]]
