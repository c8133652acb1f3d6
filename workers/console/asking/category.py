"""A category over time: what was scored and decided, and the parts that say most about it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, case, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from stream_inspector.threshold.share import Share
from workers.console.asking.parts import Part, parts, select_parts
from workers.console.history.tables import outcomes, tallies

HOUR_MS = 3_600_000
_CATEGORIES = 500  # of a list
LOOKED_AT = 500  # parts, the newest, among which those that are shown are chosen
_KINDS, _OF_A_KIND = 12, 6


@dataclass(frozen=True, slots=True)
class Period:
    """The last hours, in steps."""

    name: str
    hours: int
    step_hours: float

    @property
    def step_ms(self) -> int:
        """Of one step: a whole number of tallies."""
        return int(self.step_hours * HOUR_MS)


PERIODS = {
    p.name: p for p in (Period("day", 24, 0.5), Period("week", 168, 2), Period("month", 720, 8))
}


@dataclass(frozen=True, slots=True)
class Step:
    """Counts and scores of some time; no scores where nothing was scored."""

    start_ms: int
    parts: int
    defects: int
    near_misses: int
    rejected: int
    mean: float | None  # score
    highest: float | None
    threshold: float | None

    @property
    def inspected(self) -> int:
        """Parts with a verdict."""
        return self.parts - self.rejected

    @property
    def defect_share(self) -> float | None:
        """Of inspected parts."""
        return self.defects / self.inspected if self.inspected else None


def category_names(connection: Connection, since_ms: int) -> list[tuple[str, int, int]]:
    """Category, its parts and its defects since then, by name."""
    table = tallies.c
    found = (
        select(table.category, func.sum(table.parts), func.sum(table.defects))
        .where(table.start_ms >= since_ms)
        .group_by(table.category)
        .order_by(table.category)
        .limit(_CATEGORIES)
    )
    return [(name, int(count), int(bad)) for name, count, bad in connection.execute(found)]


def steps(connection: Connection, category: str, since_ms: int, step_ms: int) -> list[Step]:
    """The steps in which there were parts, the oldest first."""
    table = tallies.c
    start = (table.start_ms - table.start_ms % step_ms).label("start")
    scored = func.nullif(func.sum(table.scored), 0)
    found = (
        select(
            start,
            *(cast(func.sum(table[name]), BigInteger) for name in _COUNTS),
            func.sum(table.score_sum) / scored,
            func.max(case((table.scored > 0, table.score_max))),
            func.sum(table.threshold_sum) / scored,
        )
        .where(table.category == category, table.start_ms >= since_ms)
        .group_by("start")
        .order_by("start")
    )
    return [Step(*row) for row in connection.execute(found)]


_COUNTS = ("parts", "defects", "near_misses", "rejected")


@dataclass(frozen=True, slots=True)
class Totals:
    """All steps together."""

    parts: int
    defects: int
    near_misses: int
    rejected: int
    defect_share: Share | None  # of inspected parts


def totals(every: Iterable[Step], confidence: float) -> Totals:
    """With the interval of Clopper and Pearson."""
    counts = [[getattr(step, name) for name in _COUNTS] for step in every]
    found, defects, near, rejected = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0,) * 4
    )
    share = Share.of_counts(defects, found - rejected, confidence)
    return Totals(found, defects, near, rejected, share)


def nearest_good(connection: Connection, category: str, since_ms: int, most: int) -> list[Part]:
    """Parts that nearly alarmed and that nobody called defective, the nearest first."""
    found: list[Part] = []
    for verdict in ("near_miss", "pass"):
        if len(found) < most:
            newest = _newest(connection, category, since_ms, outcomes.c.verdict == verdict)
            found += sorted(_good(newest), key=_below)[: most - len(found)]
    return found


def _good(every: Iterable[Part]) -> Iterator[Part]:
    return (p for p in every if p.score is not None and p.threshold and p.judgement != "missed")


def _below(part: Part) -> float:
    """How far a score lies below its threshold, in shares of it."""
    score, threshold = part.score or 0.0, part.threshold or 1.0
    return (threshold - score) / abs(threshold)


@dataclass(frozen=True, slots=True)
class Kind:
    """Parts of which the same was said, among the newest LOOKED_AT, and the newest of them."""

    name: str
    count: int
    parts: tuple[Part, ...]


def confirmed(connection: Connection, category: str, since_ms: int) -> list[Kind]:
    """Defects that people confirmed or that were missed, by their kinds; the most first."""
    table = outcomes.c
    right = _newest(
        connection, category, since_ms, table.judgement == "right", table.verdict == "defect"
    )
    missed = _newest(connection, category, since_ms, table.judgement == "missed")
    every = sorted([*right, *missed], key=lambda part: -part.decided_ms)
    return _kinds(every, lambda part: part.kind or "of no stated kind")


def false_alarms(connection: Connection, category: str, since_ms: int) -> list[Kind]:
    """Good parts that alarmed, as people say."""
    found = _newest(connection, category, since_ms, outcomes.c.judgement == "false-alarm")
    return _kinds(found, lambda _: "false alarm")


def reasons(connection: Connection, category: str, since_ms: int) -> list[Kind]:
    """Parts that were not inspected, by why."""
    found = _newest(connection, category, since_ms, outcomes.c.verdict == "rejected")
    return _kinds(found, lambda part: part.reason or "no reason")


def _newest(
    connection: Connection, category: str, since_ms: int, *conditions: ColumnElement[bool]
) -> list[Part]:
    table = outcomes.c
    own = (table.category == category, table.decided_ms >= since_ms, table.run == "live")
    found = select_parts(*own, *conditions)
    return parts(connection, found.order_by(table.decided_ms.desc()).limit(LOOKED_AT))


def _kinds(every: Iterable[Part], name_of: Callable[[Part], str]) -> list[Kind]:
    grouped: dict[str, list[Part]] = defaultdict(list)
    for part in every:
        grouped[name_of(part)].append(part)
    kinds = [Kind(n, len(found), tuple(found[:_OF_A_KIND])) for n, found in grouped.items()]
    return sorted(kinds, key=lambda kind: (-kind.count, kind.name))[:_KINDS]
