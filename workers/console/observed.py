"""What people say of each category's present calibration, for metrics: looked up once a minute."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from schemas.review import Judgement, Sample
from workers.console.asking.judged import Certificate, audited, certificate, newest_calibration
from workers.console.calibrations import Calibrations
from workers.console.history.database import Database
from workers.console.history.tables import outcomes, words
from workers.console.settings import AuditSettings
from workers.runtime.errors import StoreUnavailable

_EACH_S = 60.0
_DAY_MS = 86_400_000
CATEGORIES = 100  # those that people spoke of most


@dataclass(frozen=True, slots=True)
class Seen:
    """By category."""

    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)  # defects, in the last day


class Observed:
    """Any thread."""

    def __init__(self, database: Database, calibrations: Calibrations, audit: AuditSettings):
        self._database, self._calibrations, self._audit = database, calibrations, audit
        self._lock, self._seen, self._due_s = threading.Lock(), Seen(), 0.0

    def look(self) -> Seen:
        """As it was a minute ago at the most. Raises StoreUnavailable."""
        with self._lock:
            if time.monotonic() >= self._due_s:
                with self._database.read() as connection:
                    self._seen = Seen(self._certificates(connection), _missed(connection))
                self._due_s = time.monotonic() + _EACH_S
            return self._seen

    def _certificates(self, connection: Connection) -> dict[str, Certificate]:
        table = outcomes.c.category
        found = (
            select(table)
            .select_from(words.join(outcomes, outcomes.c.part == words.c.part))
            .where(words.c.sample == Sample.AUDIT.value)
            .group_by(table)
            .order_by(func.count().desc())
            .limit(CATEGORIES)
        )
        names = list(connection.execute(found).scalars())
        return {name: self._certificate(connection, name) for name in names}

    def _certificate(self, connection: Connection, category: str) -> Certificate:
        version, calibration_id = newest_calibration(connection, category) or ("", "")
        said = audited(connection, category)
        own = [word for word in said if word.calibration_id == calibration_id]
        return certificate(own, self._certified(version, category), self._audit.confidence)

    def _certified(self, version: str, category: str) -> float:
        """What the calibration promised; what the settings want where it cannot be read."""
        try:
            found = self._calibrations.of(version, category) if version else None
        except (StoreUnavailable, ValueError):
            found = None
        promised = found.certified_false_reject if found else None
        return self._audit.false_alarms if promised is None else promised


def _missed(connection: Connection) -> dict[str, int]:
    since_ms = int(time.time() * 1000) - _DAY_MS
    found = (
        select(outcomes.c.category, func.count())
        .select_from(words.join(outcomes, outcomes.c.part == words.c.part))
        .where(words.c.judgement == Judgement.MISSED.value, words.c.reviewed_ms > since_ms)
        .group_by(outcomes.c.category)
        .order_by(func.count().desc())
        .limit(CATEGORIES)
    )
    return {category: int(count) for category, count in connection.execute(found)}
