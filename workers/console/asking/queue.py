"""The queue of parts that wait for somebody's word.

Who is shown a part has it for a while (a lease), so that two operators never judge the same one.
"""

import time

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from workers.console.asking.parts import Part, parts, select_parts
from workers.console.asking.sample import Sampling, asked
from workers.console.history.database import Database, insert
from workers.console.history.tables import leases, outcomes

KINDS = {"defects": "defect", "near-misses": "near_miss", "not-inspected": "rejected"}
RANDOM = "random-sample"
EVERY = (*KINDS, RANDOM)
MOST_COUNTED = 1000
_TRIES = 20  # parts that somebody else may take before us
_ASIDE = ""  # whose lease is nobody's: the part is left for later


def waiting(connection: Connection, kind: str, sampling: Sampling) -> int:
    """Parts without a word, as far as they are counted: at most MOST_COUNTED and one."""
    some = select(outcomes.c.queue).where(_open(connection, kind, sampling)).limit(MOST_COUNTED + 1)
    return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def take(
    database: Database, kind: str, name: str, lease_s: float, sampling: Sampling
) -> tuple[Part | None, Part | None]:
    """The part that is now theirs, and the one that comes next.

    The newest first, of the random sample the oldest: their frames are the next to go.
    """
    now_ms = int(time.time() * 1000)
    with database.write() as connection:
        wanted = _open(connection, kind, sampling)
        mine = _mine(connection, wanted, name, now_ms)
        free = _free(connection, wanted, now_ms, oldest=kind == RANDOM)
        if mine is None:
            mine = next(
                (p for p in free if _lease(connection, p.part, name, now_ms, lease_s)), None
            )
        else:
            _lease(connection, mine.part, name, now_ms, lease_s)
    coming = next((part for part in free if mine is None or part.part != mine.part), None)
    return mine, coming


def set_aside(database: Database, part: str, name: str, lease_s: float) -> None:
    """Leave a part for later: nobody is shown it for a while."""
    until = int((time.time() + lease_s) * 1000)
    with database.write() as connection:
        connection.execute(
            leases.update()
            .where(leases.c.part == part, leases.c.by == name)
            .values(by=_ASIDE, until_ms=until)
        )


def holder(connection: Connection, part: str) -> str | None:
    """Who has a part now; None: nobody."""
    now_ms = int(time.time() * 1000)
    found = select(leases.c.by).where(leases.c.part == part, leases.c.until_ms > now_ms)
    return connection.execute(found).scalar()


def release(connection: Connection, part: str) -> None:
    """It is judged."""
    connection.execute(delete(leases).where(leases.c.part == part))


def _open(connection: Connection, kind: str, sampling: Sampling) -> ColumnElement[bool]:
    """Live parts of a kind without a word, whose frame is known."""
    if kind == RANDOM:
        return outcomes.c.part.in_(asked(connection, sampling))
    return outcomes.c.queue == KINDS[kind]


def _mine(
    connection: Connection, wanted: ColumnElement[bool], name: str, now_ms: int
) -> Part | None:
    held = select(leases.c.part).where(leases.c.by == name, leases.c.until_ms > now_ms)
    found = select_parts(wanted, outcomes.c.part.in_(held)).limit(1)
    return next(iter(parts(connection, found)), None)


def _free(
    connection: Connection, wanted: ColumnElement[bool], now_ms: int, *, oldest: bool
) -> list[Part]:
    held = select(leases.c.part).where(leases.c.until_ms > now_ms)
    found = select_parts(wanted, outcomes.c.part.not_in(held))
    if oldest:
        return sorted(parts(connection, found), key=lambda each: each.decided_ms)[:_TRIES]
    return parts(connection, found.order_by(outcomes.c.decided_ms.desc()).limit(_TRIES))


def _lease(connection: Connection, part: str, name: str, now_ms: int, lease_s: float) -> bool:
    """Whether it is theirs: only a lease that is over, or their own, gives way."""
    made = insert(connection)(leases).values(
        part=part, by=name, until_ms=now_ms + int(lease_s * 1000)
    )
    statement = made.on_conflict_do_update(
        index_elements=["part"],
        set_={"by": made.excluded.by, "until_ms": made.excluded.until_ms},
        where=or_(leases.c.until_ms <= now_ms, leases.c.by == name),
    )
    return bool(connection.execute(statement).rowcount)
