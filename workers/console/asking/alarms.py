"""Alarms as a shift sees them: what is open, by camera and cause, and who sees to it."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from workers.console.history.tables import alarms

_DAYS = 7  # older alarms are history, not to do
_READ = 5000  # alarms, the newest
_DAY_MS = 86_400_000
_CLEAR = "info"  # the severity of an all-clear


@dataclass(frozen=True, slots=True)
class Open:
    """The alarms of one camera and cause."""

    camera: str
    cause: str
    severity: str  # of the worst
    since_ms: int
    last_ms: int
    count: int  # alarms; each may tell of many events
    message: str  # the last one's
    cleared: bool  # an all-clear came after them
    by: str | None  # who has acknowledged the last one
    acknowledged_ms: int | None
    note: str | None


def open_alarms(connection: Connection, now_ms: int) -> list[Open]:
    """What somebody has to see to, critical first; what is over and acknowledged is left out."""
    table = alarms.c
    found = (
        select(alarms)
        .where(table.raised_ms > now_ms - _DAYS * _DAY_MS)
        .order_by(table.raised_ms.desc())
        .limit(_READ)
    )
    rows = sorted(connection.execute(found), key=_key)  # stable: the newest first in each
    groups = [_open(list(group)) for _, group in groupby(rows, key=_key)]
    mine = [each for each in groups if each is not None]
    return sorted(mine, key=_rank)


def _rank(each: Open) -> tuple[bool, bool, bool, int]:
    """Those come first that nobody sees to, that are not over, that are critical, that are new."""
    return each.by is not None, each.cleared, each.severity != "critical", -each.last_ms


def _key(row: Row[Any]) -> tuple[str, str]:
    return row.camera, row.cause


def _open(rows: list[Row[Any]]) -> Open | None:
    """Rows of one camera and cause, the newest first."""
    cleared = rows[0].severity == _CLEAR
    ups = [row for row in rows if row.severity != _CLEAR]
    if not ups:
        return None
    unseen = [row for row in ups if row.acknowledged_ms is None]
    if cleared and not unseen:
        return None
    after = unseen or ups[:1]
    last = ups[0]
    return Open(
        last.camera,
        last.cause,
        "critical" if any(row.severity == "critical" for row in after) else "warning",
        after[-1].raised_ms,
        last.raised_ms,
        len(after),
        last.message,
        cleared,
        None if unseen else last.acknowledged_by,
        None if unseen else last.acknowledged_ms,
        None if unseen else last.note,
    )
