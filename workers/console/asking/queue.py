"""The queue of parts that wait for somebody's word.

Who is shown a part has it for a while (a lease), so that two operators never judge the same one.
"""

import time

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from workers.console.asking.parts import Part, parts, select_parts
from workers.console.history.database import Database, insert
from workers.console.history.tables import leases, outcomes

KINDS = {"defects": "defect", "near-misses": "near_miss", "not-inspected": "rejected"}
MOST_COUNTED = 1000
_TRIES = 20  # parts that somebody else may take before us
_ASIDE = ""  # whose lease is nobody's: the part is left for later


def waiting(connection: Connection, kind: str) -> int:
    """Parts without a word, as far as they are counted: at most MOST_COUNTED and one."""
    some = select(outcomes.c.queue).where(_open(kind)).limit(MOST_COUNTED + 1)
    return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def take(
    database: Database, kind: str, name: str, lease_s: float
) -> tuple[Part | None, Part | None]:
    """The part that is now theirs, the newest first, and the one that comes next."""
    now_ms = int(time.time() * 1000)
    with database.write() as connection:
        mine = _mine(connection, kind, name, now_ms)
        free = _free(connection, kind, now_ms)
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


def _open(kind: str) -> ColumnElement[bool]:
    """Live parts of a kind without a word, whose frame is known."""
    return outcomes.c.queue == KINDS[kind]


def _mine(connection: Connection, kind: str, name: str, now_ms: int) -> Part | None:
    held = select(leases.c.part).where(leases.c.by == name, leases.c.until_ms > now_ms)
    found = select_parts(_open(kind), outcomes.c.part.in_(held)).limit(1)
    return next(iter(parts(connection, found)), None)


def _free(connection: Connection, kind: str, now_ms: int) -> list[Part]:
    held = select(leases.c.part).where(leases.c.until_ms > now_ms)
    found = select_parts(_open(kind), outcomes.c.part.not_in(held))
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
