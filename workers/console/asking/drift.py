"""Whether a category's scores still look like those of the good images that set its threshold."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from stream_inspector.threshold.production.drift import (
    CHANCE,
    WINDOW,
    Reference,
    Shift,
    score_shift,
)
from workers.console.history.tables import outcomes

ReferenceOf = Callable[[str], Reference | None]  # of a model version, for one category


@dataclass(frozen=True, slots=True)
class Drift:
    """The first frames of a step, or the last ones of all."""

    at_ms: int
    shift: Shift

    @property
    def told(self) -> bool:
        """Whether it cannot be chance."""
        return self.shift.chance <= CHANCE


def drift_at(
    connection: Connection, category: str, starts_ms: Iterable[int], reference_of: ReferenceOf
) -> list[Drift]:
    """Of a window of frames from each of these times on."""
    found = (_from(connection, category, start, reference_of) for start in starts_ms)
    return [each for each in found if each is not None]


def drift_now(connection: Connection, category: str, reference_of: ReferenceOf) -> Drift | None:
    """Of the last frames."""
    rows = connection.execute(_NEWEST, {"name": category}).all()
    return _of([(row[0], row[1], row[2]) for row in rows], reference_of)


def _from(
    connection: Connection, category: str, start_ms: int, reference_of: ReferenceOf
) -> Drift | None:
    rows = connection.execute(_WINDOW_FROM, {"name": category, "start": start_ms})
    return _of([(row[0], row[1], row[2]) for row in rows], reference_of)


def _scored() -> Select[Any]:
    table = outcomes.c
    return select(table.score, table.model_version, table.decided_ms).where(
        table.category == bindparam("name"), table.score.is_not(None), table.run == "live"
    )


_WINDOW_FROM = (  # made once, since a chart asks for each of its steps
    _scored()
    .where(outcomes.c.decided_ms >= bindparam("start"))
    .order_by(outcomes.c.decided_ms)
    .limit(WINDOW)
)
_NEWEST = _scored().order_by(outcomes.c.decided_ms.desc()).limit(WINDOW)


def _of(rows: list[tuple[float, str | None, int]], reference_of: ReferenceOf) -> Drift | None:
    """Frames of another version than most of them have are left out: their scores differ."""
    versions = Counter(version for _, version, _ in rows if version)
    if not versions:
        return None
    most = versions.most_common(1)[0][0]
    reference = reference_of(most)
    if reference is None:
        return None
    found = score_shift(reference, [score for score, version, _ in rows if version == most])
    return None if found is None else Drift(rows[0][2], found)
