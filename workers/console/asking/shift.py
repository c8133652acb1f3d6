"""What a shift made: parts, rejects, where and what they were, the worst of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.sql.elements import ColumnElement

from workers.console.asking.parts import Part, parts, select_parts
from workers.console.history.tables import alarms, defects, outcomes

_WORST = 6  # pictures
_EVENTS = 20_000  # defects that are looked into, the newest
_ROWS = 200  # cameras and categories
_BARS = 10  # of a pareto
_UNKNOWN = "not judged"
_ROWS_OF_PLACES = ("top", "middle", "bottom")
_COLUMNS_OF_PLACES = ("left", "centre", "right")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of which outcomes; an empty name: all of them."""

    since_ms: int
    until_ms: int
    category: str = ""
    camera: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """What was decided within; replays are no new parts."""
        table = outcomes.c
        named = [(table.category, self.category), (table.camera, self.camera)]
        return [
            table.decided_ms >= self.since_ms,
            table.decided_ms < self.until_ms,
            table.run == "live",
            *(column == name for column, name in named if name),
        ]


@dataclass(slots=True)
class Counts:
    """Parts of one camera and category, or of all."""

    passed: int = 0
    near_misses: int = 0
    rejects: int = 0
    not_inspected: int = 0

    @property
    def parts(self) -> int:
        """All of them."""
        return self.passed + self.near_misses + self.rejects + self.not_inspected

    @property
    def reject_share(self) -> float | None:
        """Of those that were inspected; None: none was."""
        inspected = self.parts - self.not_inspected
        return self.rejects / inspected if inspected else None

    def add(self, verdict: str, number: int) -> None:
        """More parts of a verdict."""
        name = {"pass": "passed", "near_miss": "near_misses", "defect": "rejects"}.get(verdict)
        name = name or "not_inspected"
        setattr(self, name, getattr(self, name) + number)


Bars = list[tuple[str, int]]  # what, how many: the most first


@dataclass(frozen=True, slots=True)
class Report:
    """A shift."""

    wanted: Wanted
    total: Counts
    rows: list[tuple[str, str, Counts]]  # camera, category
    more_rows: int
    reasons: Bars  # why parts were not inspected
    kinds: Bars  # of defects, as people named them
    places: Bars  # of defects on their picture, the largest region of each
    judged: Mapping[str, int]  # what people said of rejects
    looked_into: int  # rejects that kinds and places are of
    alarms: list[tuple[str, str, int, int]]  # cause, severity, how many, of them acknowledged
    worst: list[Part]


def shift_report(connection: Connection, wanted: Wanted) -> Report:
    """Everything at once."""
    total, rows, reasons = _counts(connection, wanted)
    kinds, places, judged, looked_into = _defects(connection, wanted)
    return Report(
        wanted,
        total,
        rows[:_ROWS],
        max(0, len(rows) - _ROWS),
        reasons.most_common(_BARS),
        kinds.most_common(_BARS),
        places.most_common(_BARS),
        judged,
        looked_into,
        _alarms(connection, wanted),
        _worst(connection, wanted),
    )


def _counts(
    connection: Connection, wanted: Wanted
) -> tuple[Counts, list[tuple[str, str, Counts]], Counter[str]]:
    table, total, reasons = outcomes.c, Counts(), Counter[str]()
    found: dict[tuple[str, str], Counts] = defaultdict(Counts)
    kinds = (table.camera, table.category, table.verdict, table.reason)
    query = select(*kinds, func.count()).where(*wanted.conditions()).group_by(*kinds)
    for camera, category, verdict, reason, number in connection.execute(query):
        total.add(verdict, number)
        found[camera, category].add(verdict, number)
        if verdict == "rejected":
            reasons[reason or "unknown"] += number
    return total, [(*key, found[key]) for key in sorted(found)], reasons


def _defects(
    connection: Connection, wanted: Wanted
) -> tuple[Counter[str], Counter[str], Counter[str], int]:
    """Kinds, places and judgements of rejects, and how many were looked into."""
    kinds, places, judged = Counter[str](), Counter[str](), Counter[str]()
    rejects = [*wanted.conditions(), outcomes.c.verdict == "defect"]
    newest = outcomes.c.decided_ms.desc()
    found = parts(connection, select_parts(*rejects).order_by(newest).limit(_EVENTS))
    for part in found:
        kinds[part.kind or _UNKNOWN] += 1
        judged[part.judgement or _UNKNOWN] += 1
    joined = defects.join(outcomes, outcomes.c.part == defects.c.part)
    events = select(defects.c.event).select_from(joined).where(*rejects).order_by(newest)
    for (event,) in connection.execute(events.limit(_EVENTS)):
        places[place(json.loads(event))] += 1
    return kinds, places, judged, len(found)


def place(event: Mapping[str, Any]) -> str:
    """Where the largest region of a defect's event lies: one of nine fields of the picture."""
    regions, width, height = (event.get(k) for k in ("regions", "image_width", "image_height"))
    if not regions or not width or not height:
        return "unknown"
    box = max(regions, key=lambda each: each.get("area_px", 0))["box"]
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    column, row = (min(2, max(0, int(3 * at / of))) for at, of in ((across, width), (down, height)))
    return f"{_ROWS_OF_PLACES[row]} {_COLUMNS_OF_PLACES[column]}"


def _alarms(connection: Connection, wanted: Wanted) -> list[tuple[str, str, int, int]]:
    table = alarms.c
    named = [(table.category, wanted.category), (table.camera, wanted.camera)]
    query = (
        select(table.cause, table.severity, func.count(), func.count(table.acknowledged_ms))
        .where(
            table.raised_ms >= wanted.since_ms,
            table.raised_ms < wanted.until_ms,
            table.severity != "info",
            *(column == name for column, name in named if name),
        )
        .group_by(table.cause, table.severity)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    return sorted(rows, key=lambda row: -row[2])[:_BARS]


def _worst(connection: Connection, wanted: Wanted) -> list[Part]:
    """Rejects that are furthest above their threshold, those that people called good left out."""
    table = outcomes.c
    above = (table.score - table.threshold).desc()
    rejects = [*wanted.conditions(), table.verdict == "defect", table.score.is_not(None)]
    found = parts(connection, select_parts(*rejects).order_by(above).limit(5 * _WORST))
    return [part for part in found if part.judgement != "false-alarm"][:_WORST]
