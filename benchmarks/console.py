"""What the console's pages cost with a long history, on SQLite or PostgreSQL: time and bytes.

    python -m benchmarks.console [--outcomes 1000000] [--database URL] [--folder DIR] [--times 9]

Without --database the history is a file in DIR (default runs/console-bench), filled once and kept.
A database that is given must be empty, or filled by an earlier run.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from pydantic import SecretStr
from sqlalchemy import Table, func, select
from starlette.testclient import TestClient

from schemas.outcome import FrameRef, outcome_id
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from workers.console.access.passwords import hash_password
from workers.console.app import make_app
from workers.console.history import tables
from workers.console.history.counting import count_rows
from workers.console.history.database import Database, open_database
from workers.console.pages.desk import Room
from workers.console.run import make_room
from workers.console.settings import (
    AccessSettings,
    ConsoleProcessSettings,
    ConsoleSettings,
    ModelStoreSection,
    UserSettings,
)

MOST_S, MOST_BYTES = 0.3, 200_000  # of a page
NAME, PASSWORD = "emil", "correct horse"
SEEN, NEWEST = "bolt-3", "v9"  # the category whose pages are asked for, and its last version
_AT_ONCE = 10_000
_DAYS = 30
_CAMERAS, _CATEGORIES = 40, 8
_JUDGED = 0.6  # of the defects; the newest wait
_AUDITED = 97  # one pass of so many was judged
_REGION = '{"box":{"x":1,"y":1,"width":9,"height":9},"polygon":[[1,1],[9,1],[9,9]]}'
_EVENT = (
    f'{{"image_width":1024,"image_height":768,"regions":[{_REGION}],"evidence":{{"notes":{{}}}}}}'
)

Row = dict[str, Any]


class Plant:
    """Outcomes of a month, the same ones each time."""

    def __init__(self, count: int, now_ms: int):
        self.count, self.now_ms = count, now_ms
        self._random = random.Random(7)  # noqa: S311
        self._step_ms = _DAYS * 86_400_000 / max(1, count)

    def outcomes(self) -> Iterator[Row]:
        """From the oldest to the newest."""
        for number in range(self.count):
            yield self._outcome(number)

    def _outcome(self, number: int) -> Row:
        camera = f"line-{number % _CAMERAS:02}"
        verdict = self._random.choices(
            ("pass", "near_miss", "defect", "rejected"), (950, 25, 20, 5)
        )[0]
        decided_ms = int(self.now_ms - (self.count - number) * self._step_ms)
        frame_id = f"{camera}-{number}"
        found = outcome_id(f"/cameras/{camera}", frame_id)
        asks = verdict != "pass"
        audited = verdict == "pass" and number % _AUDITED == 0
        judged = audited or (
            asks and number < self.count * 0.99 and self._random.random() < _JUDGED
        )
        inspected = verdict != "rejected"
        return {
            "part": f"{found}-{number:016x}",
            "outcome_id": found,
            "run": "live",
            "frame_id": frame_id,
            "camera": camera,
            "category": f"bolt-{number % _CATEGORIES}",
            "serial": f"S{number}",
            "captured_ms": decided_ms - 40,
            "decided_ms": decided_ms,
            "verdict": verdict,
            "reason": None if inspected else "undecodable",
            "score": self._score(verdict),
            "threshold": 1.0 if inspected else None,
            "model_version": f"v{number * 10 // self.count}" if inspected else None,
            "calibration_id": "c1" if inspected else None,
            "total_ms": 40.0,
            "topic": "frames",
            "partition": number % 8,
            "offset": number,
            "frame": self._frame(frame_id, camera, number, decided_ms),
            "judgement": self._judgement(verdict) if judged else None,
            "queue": verdict if asks and not judged else None,
        }

    def _score(self, verdict: str) -> float | None:
        low, high = {"pass": (0.1, 0.8), "near_miss": (0.8, 1.0), "defect": (1.0, 3.0)}.get(
            verdict, (0.0, 0.0)
        )
        return None if verdict == "rejected" else self._random.uniform(low, high)

    def _judgement(self, verdict: str) -> str:
        other = "false-alarm" if verdict == "defect" else "missed"
        return self._random.choices(("right", other, "unsure"), (80, 18, 2))[0]

    @staticmethod
    def _frame(frame_id: str, camera: str, number: int, decided_ms: int) -> str:
        return FrameRef.model_construct(
            frame_id=frame_id,
            camera_id=camera,
            category=f"bolt-{number % _CATEGORIES}",
            sequence=number,
            captured_at=f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(decided_ms / 1000))}",
            content="0" * 16,
        ).model_dump_json(warnings=False)


def around(row: Row) -> Iterator[tuple[Table, Row]]:
    """What other topics say of an outcome."""
    part, at_ms = row["part"], row["decided_ms"]
    if row["verdict"] == "defect":
        yield tables.defects, {"part": part, "decided_ms": at_ms, "event": _EVENT}
    if row["verdict"] == "near_miss":
        yield (
            tables.explanations,
            {"part": part, "explained_ms": at_ms, "evidence": '{"notes":{}}'},
        )
    if row["verdict"] == "rejected":
        letter = {"part": part, "outcome_id": row["outcome_id"], "rejected_ms": at_ms}
        yield (
            tables.dead_letters,
            {**letter, "reason": "undecodable", "error": "cut", "attempts": 1},
        )
        yield (
            tables.alarms,
            {
                "alarm_id": part,
                "raised_ms": at_ms,
                "severity": "critical",
                "camera": row["camera"],
                "category": row["category"],
                "cause": "not-inspected",
                "message": "cut",
                "count": 1,
            },
        )
    if row["judgement"]:
        yield (
            tables.words,
            {
                "part": part,
                "review_id": row["outcome_id"],
                "reviewed_ms": at_ms + 60_000,
                "judgement": row["judgement"],
                "sample": "audit" if row["verdict"] == "pass" else None,
                "note": "",
                "by": NAME,
            },
        )


def fill(database: Database, plant: Plant) -> None:
    """Into an empty database; one that has rows is left as it is."""
    with database.read() as connection:
        if connection.execute(select(tables.outcomes.c.part).limit(1)).scalar():
            return
    indices = tables.outcomes.indexes
    with database.write() as connection:  # made at once in the end, which is quicker
        for index in indices:
            index.drop(connection)
    waiting: dict[Table, list[Row]] = {}
    for row in plant.outcomes():
        for table, each in ((tables.outcomes, row), *around(row)):
            waiting.setdefault(table, []).append(each)
        if len(waiting[tables.outcomes]) >= _AT_ONCE:
            _write(database, waiting)
    _write(database, waiting)
    with database.write() as connection:
        for index in indices:
            index.create(connection)
    _write(database, {tables.cameras: _cameras(database)})


def _write(database: Database, waiting: dict[Table, list[Row]]) -> None:
    with database.write() as connection:
        for table, rows in waiting.items():
            if rows:
                connection.execute(table.insert(), rows)
                if table is tables.outcomes:
                    count_rows(connection, rows)
                rows.clear()


def _cameras(database: Database) -> list[Row]:
    """Each one's last part."""
    table = tables.outcomes.c
    newest = select(table.camera, table.part, table.decided_ms).order_by(table.decided_ms.desc())
    with database.read() as connection:
        last = {row.camera: row for row in reversed(list(connection.execute(newest.limit(1000))))}
    return [dict(row._mapping) for row in last.values()]


def addresses(database: Database, plant: Plant) -> dict[str, str]:
    """Every page, and search with what is easy and what is hard to find: what -> address."""
    table = tables.outcomes.c
    with database.read() as connection:
        found = select(table.part, table.frame_id, table.outcome_id, table.decided_ms)
        some = connection.execute(found.where(table.verdict == "defect").limit(1)).one()
    middle = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(plant.now_ms / 1000 - 15 * 86_400))
    searches: dict[str, dict[str, str]] = {
        "everything": {},
        "a camera": {"camera": "line-07"},
        "a camera that is not there": {"camera": "line-99"},
        "a category and a verdict": {"category": SEEN, "verdict": "defect"},
        "a camera of another category": {"camera": "line-07", "category": SEEN},
        "defects in the middle": {"verdict": "defect", "until": middle},
        "scores that none has": {"score": "99"},
        "passes with scores that none has": {"verdict": "pass", "score": "99"},
        "false alarms": {"judgement": "false-alarm"},
        "missed passes": {"judgement": "missed", "verdict": "pass"},
        "defects without a word": {"judgement": "none", "verdict": "defect"},
        "passes of a camera with a word": {
            "camera": "line-07",
            "verdict": "pass",
            "judgement": "right",
        },
        "a frame": {"part": some.frame_id},
        "the beginning of an id": {"part": some.outcome_id[:10]},
        "after many pages": {"before": f"{int(plant.now_ms - 25 * 86_400_000)}.{some.part}"},
    }
    pages = {
        "live": "/live",
        "wall": "/live?wall=1",
        "review: defects": "/review/defects",
        "review: near misses": "/review/near-misses",
        "review: not inspected": "/review/not-inspected",
        "review: random sample": "/review/random-sample",
        "lines": "/lines",
        "a shift report": "/report",
        "a shift report as PDF": "/report.pdf",
        "models": "/models",
        "a category's models": f"/models/{SEEN}",
        "a comparison": f"/models/{SEEN}/comparison",
        "categories": "/category",
        "a category, its day": f"/category?name={SEEN}",
        "a category, its month": f"/category?name={SEEN}&period=month",
        "thresholds": f"/thresholds/{SEEN}?false_alarms=20&days=30",
        "an act under way": f"/thresholds/{SEEN}/work",
        "a part": f"/parts/{some.part}",
        "a case": f"/parts/{some.part}/case.zip",
        "a picture": f"/pictures/heatmap/{some.part}",
        "login": "/login",
    }
    return pages | {f"search: {w}": f"/search?{urlencode(q)}" for w, q in searches.items()}


def room(settings: ConsoleProcessSettings, database: Database) -> Room:
    """Pages on this database alone: no topic is read."""
    return make_room(
        settings, database, [], lambda *_: None, lambda _: None, stopping=threading.Event()
    )


def settings(url: str, models: Path) -> ConsoleProcessSettings:
    """With somebody who may see every page, and a folder of model versions."""
    user = UserSettings(role="engineer", password_hash=SecretStr(hash_password(PASSWORD)))
    access = AccessSettings(users={NAME: user})
    return ConsoleProcessSettings(
        console=ConsoleSettings(database=url, access=access),
        models=ModelStoreSection(store=str(models)),
    )


def activate_newest(of: Room) -> None:
    """Thresholds of the version that judged the last tenth of the month."""
    scores = np.linspace(0.01, 1.0, 100)
    maps = np.repeat(scores[:, None, None], 4, axis=1).astype(np.float32)
    made = {SEEN: calibrate(maps, scores, Budget()).to_dict()}
    manifest = {"version": NEWEST, "calibrations": made, "tensors": {}, "provenance": {}}
    of.versions.store.push([SEEN], NEWEST, json.dumps(manifest).encode(), b"x")
    of.versions.store.activate(SEEN, NEWEST, "benchmark", "measuring")


def browser(of: Room) -> TestClient:
    """Somebody who is logged in."""
    client = TestClient(make_app(of), follow_redirects=False)
    client.post("/login", data={"name": NAME, "password": PASSWORD})
    return client


def measure(client: TestClient, pages: dict[str, str], times: int) -> bool:
    """Print a line a page; whether all keep within the bounds."""
    kept = True
    print(f"{'page':<40}{'cpu ms':>8}{'median ms':>11}{'worst ms':>10}{'bytes':>9}{'sent':>9}")
    for what, address in pages.items():
        took, worked, size, wire = [], [], 0, 0
        for _ in range(times):
            begun, before = time.perf_counter(), time.process_time()
            answer = client.get(address)
            took.append(time.perf_counter() - begun)
            worked.append(time.process_time() - before)
            size, wire = len(answer.content), int(answer.headers.get("content-length", 0))
        said = statistics.median(took)
        well = said <= MOST_S and size <= MOST_BYTES and answer.status_code < 500
        kept = kept and well
        cpu = statistics.median(worked) * 1e3  # what other work on the machine does not change
        figures = f"{cpu:>8.1f}{said * 1e3:>11.1f}{max(took) * 1e3:>10.1f}"
        print(f"{what:<40}{figures}{size:>9}{wire:>9}{'' if well else '  TOO MUCH'}")
    return kept


def main() -> int:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--outcomes", type=int, default=1_000_000)
    parser.add_argument("--database", help="postgresql://...; default: a file in the folder")
    parser.add_argument("--folder", type=Path, default=Path("runs/console-bench"))
    parser.add_argument("--times", type=int, default=9)
    given = parser.parse_args()
    plant = Plant(given.outcomes, int(time.time() * 1000))
    url = given.database or f"sqlite:///{given.folder}/{given.outcomes}.sqlite3"
    with closing(open_database(url)) as database, tempfile.TemporaryDirectory() as models:
        begun = time.perf_counter()
        fill(database, plant)
        print(f"{_count(database)} outcomes, filled in {time.perf_counter() - begun:.0f} s")
        pages = addresses(database, plant)
        asked = room(settings(url, Path(models)), database)
        activate_newest(asked)
        kept = measure(browser(asked), pages, given.times)
    print(f"all within {MOST_S * 1e3:.0f} ms and {MOST_BYTES} bytes: {'yes' if kept else 'NO'}")
    return 0 if kept else 1


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(
            connection.execute(select(func.count()).select_from(tables.outcomes)).scalar_one()
        )


if __name__ == "__main__":
    sys.exit(main())
