"""What is kept of outcomes beside their rows: counts for charts, and the random sample's parts.

Both are made of rows that are new, in the same transaction: read again, an outcome counts once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, select

from stream_inspector.threshold.production.audit import lot
from workers.console.history import tables
from workers.console.history.database import insert

STEP_MS = 600_000
DAY_MS = 86_400_000
MOST_DRAWN = 200  # of a category and day

Row = Mapping[str, Any]


def count_rows(connection: Connection, rows: Iterable[Row]) -> None:
    """New outcomes; only live ones of a known category count."""
    live = [row for row in rows if row["run"] == "live" and row["frame"] is not None]
    if live:
        _tally(connection, live)
        _draw(connection, [row for row in live if row["verdict"] != "rejected"])


def _tally(connection: Connection, rows: Sequence[Row]) -> None:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        key = (row["category"], row["decided_ms"] // STEP_MS * STEP_MS)
        _add(found.setdefault(key, _nothing(*key)), row)
    made = insert(connection)(tables.tallies)
    known, more = tables.tallies.c, made.excluded
    greater = case((more.score_max > known.score_max, more.score_max), else_=known.score_max)
    changes: dict[str, Any] = {name: known[name] + more[name] for name in _SUMS}
    statement = made.on_conflict_do_update(
        index_elements=["category", "start_ms"], set_=changes | {"score_max": greater}
    )
    connection.execute(statement, [found[key] for key in sorted(found)])


_VERDICTS = {"defect": "defects", "near_miss": "near_misses", "rejected": "rejected"}
_SUMS = ("parts", *_VERDICTS.values(), "scored", "score_sum", "threshold_sum")
_ODD = 1e12  # no score of ours; nothing is summed that could overflow
_LOWEST = -_ODD


def _nothing(category: str, start_ms: int) -> dict[str, Any]:
    return {
        "category": category,
        "start_ms": start_ms,
        **dict.fromkeys(_SUMS, 0),
        "score_max": _LOWEST,
    }


def _add(tally: dict[str, Any], row: Row) -> None:
    tally["parts"] += 1
    if row["verdict"] in _VERDICTS:
        tally[_VERDICTS[row["verdict"]]] += 1
    score, threshold = row["score"], row["threshold"]
    if score is None or threshold is None or not abs(score) + abs(threshold) < _ODD:
        return
    tally["scored"] += 1
    tally["score_sum"] += score
    tally["threshold_sum"] += threshold
    tally["score_max"] = max(tally["score_max"], score)


def _draw(connection: Connection, rows: Iterable[Row]) -> None:
    """The lowest lots of each category and day, whatever was there before."""
    days: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        key = (row["category"], row["decided_ms"] // DAY_MS)
        own = {name: row[name] for name in ("part", "category", "decided_ms")}
        days[key].append(own | {"day": key[1], "lot": lot_of(row["part"])})
    for (category, day), drawn in sorted(days.items()):
        bound = _highest(connection, category, day)
        lower = [row for row in drawn if row["lot"] < bound]
        lowest = sorted(lower, key=lambda row: row["lot"])[:MOST_DRAWN]
        if lowest:
            connection.execute(insert(connection)(tables.draws).on_conflict_do_nothing(), lowest)
            bound = _highest(connection, category, day)
            of_day = (tables.draws.c.category == category, tables.draws.c.day == day)
            connection.execute(delete(tables.draws).where(*of_day, tables.draws.c.lot > bound))


def _highest(connection: Connection, category: str, day: int) -> float:
    """The highest lot that is kept of a day; all, while there are few."""
    table = tables.draws.c
    found = select(table.lot).where(table.category == category, table.day == day)
    last = connection.execute(found.order_by(table.lot).offset(MOST_DRAWN - 1).limit(1)).scalar()
    return 1.0 if last is None else float(last)


def lot_of(part: str) -> float:
    """A part's lot, as everybody draws it who knows its name (`schemas.review.name_of`)."""
    outcome, _, fingerprint = part.partition("-")
    return lot(f"{outcome}:{fingerprint}")


def tidy_tallies(connection: Connection, oldest_ms: int) -> None:
    """Without the counts of before."""
    connection.execute(
        delete(tables.tallies).where(tables.tallies.c.start_ms < oldest_ms - STEP_MS)
    )
