"""Which parts somebody looks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Select, and_, or_
from sqlalchemy.sql.elements import ColumnElement

from workers.console.asking.parts import select_parts
from workers.console.history.fitting import milliseconds
from workers.console.history.tables import outcomes

VERDICTS = ("defect", "near_miss", "pass", "rejected")
JUDGEMENTS = ("none", "right", "false-alarm", "missed", "unsure")
_MOST = 256  # characters of a field
_SHORTEST = 8  # characters of an outcome id that are looked for
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions have to hold. `problems`: what could not be understood."""

    conditions: tuple[ColumnElement[bool], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    given: Mapping[str, str]
    conditions: list[ColumnElement[bool]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.given.get(name, "").strip()[:_MOST]

    def time(self, name: str) -> int | None:
        text = self.text(name)
        try:
            return _moment(text) if text else None
        except (ValueError, OverflowError):
            self.problems.append(f"{name}: {text!r} is no time like 2026-01-31T08:00 (UTC)")
            return None

    def number(self, name: str) -> float | None:
        text = self.text(name)
        try:
            return float(text) if text else None
        except ValueError:
            self.problems.append(f"{name}: {text!r} is no number")
            return None

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        text = self.text(name)
        if text and text not in known:
            self.problems.append(f"{name}: {text!r} is none of {', '.join(known)}")
            return ""
        return text


def read_filter(given: Mapping[str, str]) -> Filter:
    """The filter of an address."""
    reading = _Reading(given)
    for name, column in (("camera", outcomes.c.camera), ("category", outcomes.c.category)):
        if reading.text(name):
            reading.conditions.append(column == reading.text(name))
    _add_part(reading)
    since, until = reading.time("since"), reading.time("until")
    if since is not None:
        reading.conditions.append(outcomes.c.decided_ms >= since)
    if until is not None:
        reading.conditions.append(outcomes.c.decided_ms < until)
    _add_said(reading)
    return Filter(tuple(reading.conditions), tuple(reading.problems))


def _add_part(reading: _Reading) -> None:
    """A frame's id, the part's serial number, or the first characters of an outcome's id."""
    text = reading.text("part")
    if not text:
        return
    named = [outcomes.c.frame_id == text, outcomes.c.serial == text]
    if len(text) >= _SHORTEST and set(text) <= _HEX:
        named.append(and_(outcomes.c.outcome_id >= text, outcomes.c.outcome_id < text + "g"))
    reading.conditions.append(or_(*named))


def _add_said(reading: _Reading) -> None:
    verdict = reading.one_of("verdict", VERDICTS)
    if verdict:
        reading.conditions.append(outcomes.c.verdict == verdict)
    judgement = reading.one_of("judgement", JUDGEMENTS)
    if judgement == "none":
        reading.conditions.append(outcomes.c.judgement.is_(None))
    elif judgement:
        reading.conditions.append(outcomes.c.judgement == judgement)
    least = reading.number("score")
    if least is not None:
        reading.conditions.append(outcomes.c.score >= least)


def _moment(text: str) -> int:
    found = datetime.fromisoformat(text)
    return milliseconds(found if found.tzinfo else found.replace(tzinfo=UTC))


def matching(
    wanted: Filter, most: int, before: tuple[int, str] | None = None
) -> Select[tuple[object, ...]]:
    """Parts, the newest first; `before`: after the last one of an earlier page."""
    table = outcomes.c
    conditions = list(wanted.conditions)
    if before is not None:
        at_ms, part = before
        conditions.append(table.decided_ms <= at_ms)  # where an index can begin
        conditions.append(or_(table.decided_ms < at_ms, table.part < part))
    found = select_parts(*conditions)
    return found.order_by(table.decided_ms.desc(), table.part.desc()).limit(most)
