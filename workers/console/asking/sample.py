"""The random sample: parts that people are asked about whatever inspection said of them.

Of each category and day (UTC) those of the lowest lots, as `stream-inspector review ask` has them.
A day that goes on asks only for what the day before would have asked for, so that the first parts
of a day are not asked about more often than the last. Parts that alarmed are asked about too, also
where a word on them was said already: a sample without its alarms, or of alarms alone, says nothing
of all parts.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Select, and_, func, or_, select

from schemas.review import Sample
from stream_inspector.threshold.audit import audits_a_day
from workers.console.history.counting import DAY_MS, MOST_DRAWN
from workers.console.history.tables import draws, words
from workers.console.settings import AuditSettings


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


def asked(sampling: Sampling) -> Select[tuple[str]]:
    """Parts of the sample that nobody has judged as such; at most two days of them."""
    now_ms = int(time.time() * 1000)
    today = now_ms // DAY_MS
    rank = func.row_number().over(
        partition_by=(draws.c.day, draws.c.category), order_by=draws.c.lot
    )
    ranked = select(draws, rank.label("rank")).where(draws.c.day >= today - 1).subquery()
    before = ranked.alias()
    bound = and_(
        before.c.category == ranked.c.category,
        before.c.day == today - 1,
        before.c.rank == sampling.a_day,
    )
    joined = ranked.outerjoin(before, bound).outerjoin(words, words.c.part == ranked.c.part)
    return (
        select(ranked.c.part)
        .select_from(joined)
        .where(
            ranked.c.rank <= sampling.a_day,
            ranked.c.decided_ms > now_ms - sampling.within_ms,
            or_(ranked.c.day < today, before.c.lot.is_(None), ranked.c.lot <= before.c.lot),
            words.c.sample.is_distinct_from(Sample.AUDIT.value),
        )
    )


def is_drawn(connection: Connection, part: str) -> bool:
    """Whether chance chose a part."""
    found = select(draws.c.part).where(draws.c.part == part)
    return connection.execute(found).scalar() is not None
