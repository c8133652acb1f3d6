"""The trail: who did what, when and from where; in the database and in the log."""

import time
from dataclasses import dataclass

import structlog
from sqlalchemy import func, select

from workers.console.access.person import Person
from workers.console.history.database import Database
from workers.console.history.fitting import fitted
from workers.console.history.tables import acts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Act:
    """One line of it."""

    at_ms: int
    name: str
    role: str
    address: str
    act: str
    what: str


class Trail:
    """Writes and lists acts."""

    def __init__(self, database: Database):
        self._database = database

    def note(self, person: Person, address: str, act: str, what: str) -> None:
        """Somebody did something. The log has it also where the database is lost."""
        log.info("act", by=person.name, role=person.role, address=address, act=act, what=what)
        row = Act(int(time.time() * 1000), person.name, person.role, address, act, what)
        plain = {name: getattr(row, name) for name in Act.__slots__}
        with self._database.write() as connection:
            connection.execute(acts.insert().values(fitted(acts, plain)))

    def newest(self, most: int = 200) -> list[Act]:
        """The last acts, the newest first."""
        columns = [acts.c[name] for name in Act.__slots__]
        last = select(func.max(acts.c.number)).scalar_subquery()  # numbers follow each other
        newest = acts.c.number > last - most
        found = select(*columns).where(newest).order_by(acts.c.number.desc()).limit(most)
        with self._database.read() as connection:
            return [Act(*row) for row in connection.execute(found)]
