"""The random sample: parts that people are asked about whatever inspection said of them.

Of each category and day (UTC) those of the lowest lots, as `stream-inspector review ask` has them.
A day that goes on asks only for what the day before would have asked for, so that the first parts
of a day are not asked about more often than the last. Parts that alarmed are asked about too, also
where a word on them was said already: a sample without its alarms, or of alarms alone, says nothing
of all parts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from schemas.review import Sample
from stream_inspector.threshold.production.audit import audits_a_day
from workers.console.history.counting import DAY_MS, MOST_DRAWN
from workers.console.history.tables import draws, words
from workers.console.settings import AuditSettings

_MOST = 500  # parts that are asked about at a time


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many parts a day, and for how long they are asked about."""

    a_day: int
    within_ms: int

    @classmethod
    def of(cls, settings: AuditSettings) -> "Sampling":
        """As the settings have it, at most MOST_DRAWN a day."""
        needed = audits_a_day(settings.false_alarms, settings.confidence, settings.days)
        return cls(min(needed, MOST_DRAWN), int(settings.within_h * 3_600_000))


def asked(connection: Connection, sampling: Sampling) -> list[str]:
    """Parts of the sample that nobody has judged as such, the oldest first; two days of them."""
    now_ms = int(time.time() * 1000)
    today = now_ms // DAY_MS
    drawn = _ranked(connection, today - 1, sampling.a_day)
    bounds = {
        row.category: row.lot for row in drawn if (row.day, row.rank) == (today - 1, sampling.a_day)
    }
    due = {
        row.part: row.decided_ms
        for row in drawn
        if row.decided_ms > now_ms - sampling.within_ms
        and (row.day < today or row.lot <= bounds.get(row.category, 1.0))
    }
    oldest = sorted(due, key=lambda part: (due[part], part))
    judged = _judged(connection, oldest)
    return [part for part in oldest if part not in judged][:_MOST]


def _ranked(connection: Connection, since_day: int, a_day: int) -> Sequence[Row[Any]]:
    """Parts of each category and day, by their lots."""
    rank = func.row_number().over(
        partition_by=(draws.c.day, draws.c.category), order_by=draws.c.lot
    )
    ranked = select(draws, rank.label("rank")).where(draws.c.day >= since_day).subquery()
    return connection.execute(select(ranked).where(ranked.c.rank <= a_day)).all()


def _judged(connection: Connection, parts: Sequence[str]) -> set[str]:
    """Those with a word as parts of the sample."""
    found = select(words.c.part).where(words.c.sample == Sample.AUDIT.value)
    return {
        part
        for start in range(0, len(parts), _MOST)
        for (part,) in connection.execute(
            found.where(words.c.part.in_(parts[start : start + _MOST]))
        )
    }


def is_drawn(connection: Connection, part: str) -> bool:
    """Whether chance chose a part."""
    found = select(draws.c.part).where(draws.c.part == part)
    return connection.execute(found).scalar() is not None
