"""Whether a category's scores still look like those of the good images that set its threshold."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from stream_inspector.threshold.drift import CHANCE, WINDOW, Reference, Shift, score_shift
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
    table = outcomes.c
    own = select(table.score, table.model_version, table.decided_ms)
    own = own.where(table.category == category, table.score.is_not(None), table.run == "live")
    rows = connection.execute(own.order_by(table.decided_ms.desc()).limit(WINDOW)).all()
    return _of([tuple(row) for row in rows], reference_of)


def _from(
    connection: Connection, category: str, start_ms: int, reference_of: ReferenceOf
) -> Drift | None:
    table = outcomes.c
    own = select(table.score, table.model_version, table.decided_ms)
    own = own.where(table.category == category, table.score.is_not(None), table.run == "live")
    own = own.where(table.decided_ms >= start_ms).order_by(table.decided_ms).limit(WINDOW)
    return _of([tuple(row) for row in connection.execute(own)], reference_of)


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
