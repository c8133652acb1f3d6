"""Keeps the history within its bounds: by age and by rows, some at a time."""

import time

from sqlalchemy import Connection, Table, delete, func, select

from workers.console.history import tables
from workers.console.history.counting import tidy_tallies
from workers.console.history.database import Database

_AT_ONCE = 5000  # rows of a transaction: others write in between
_DAY_MS = 86_400_000
_AGED = (
    (tables.outcomes, "decided_ms"),
    (tables.shadows, "decided_ms"),
    (tables.defects, "decided_ms"),
    (tables.explanations, "explained_ms"),
    (tables.dead_letters, "rejected_ms"),
    (tables.resolutions, "resolved_ms"),
    (tables.alarms, "raised_ms"),
    (tables.words, "reviewed_ms"),
    (tables.cameras, "decided_ms"),
)


def tidy(database: Database, keep_days: float, keep_rows: int) -> int:
    """Remove what is beyond the bounds. Returns the number of rows."""
    now_ms = int(time.time() * 1000)
    oldest_ms = now_ms - int(keep_days * _DAY_MS)
    with database.read() as connection:
        oldest_ms = max(oldest_ms, _newest_beyond(connection, keep_rows))
    with database.write() as connection:
        tidy_tallies(connection, oldest_ms)
    _before(database, tables.draws, "decided_ms", oldest_ms)
    removed = sum(_before(database, table, column, oldest_ms) for table, column in _AGED)
    _before(database, tables.leases, "until_ms", now_ms)
    _before(database, tables.sessions, "until_ms", now_ms)
    return removed + _before(database, tables.acts, "at_ms", now_ms - 400 * _DAY_MS)


def _newest_beyond(connection: Connection, keep_rows: int) -> int:
    """The time of the newest outcome that has no room, and one: it is removed with older ones."""
    column = tables.outcomes.c.decided_ms
    found = select(column).order_by(column.desc()).offset(keep_rows).limit(1)
    return int(connection.execute(found).scalar() or -1) + 1


def _before(database: Database, table: Table, column: str, moment_ms: int) -> int:
    key = next(iter(table.primary_key))
    old = select(key).where(table.c[column] < moment_ms).limit(_AT_ONCE)
    removed = 0
    while True:
        with database.write() as connection:
            gone = connection.execute(delete(table).where(key.in_(old))).rowcount
        removed += gone
        if gone < _AT_ONCE:
            return removed


def count(database: Database) -> int:
    """Outcomes in the history."""
    with database.read() as connection:
        found = connection.execute(select(func.count()).select_from(tables.outcomes))
        return int(found.scalar_one())
