"""Parts, as pages show them: an outcome, the word on it, and where its pictures are."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.sql.elements import ColumnElement

from schemas.outcome import FrameRef, Outcome, RecordRef, RejectReason, Verdict
from workers.console.history.tables import dead_letters, defects, explanations, outcomes, words

_WORD = ("judgement", "kind", "note", "by", "reviewed_ms", "sample")
_APART = "made apart"  # as inspectors say it of what an explainer makes
_LATER = "it is made after the verdict, and not here yet: load the page again"
_OWN = [column for column in outcomes.c if column.name not in ("judgement", "queue")]


@dataclass(frozen=True, slots=True)
class Part:
    """An inspected part, or one that was not."""

    part: str
    outcome_id: str
    run: str
    frame_id: str
    camera: str
    category: str
    serial: str | None
    captured_ms: int
    decided_ms: int
    verdict: str
    reason: str | None
    score: float | None
    threshold: float | None
    model_version: str | None
    calibration_id: str | None
    total_ms: float | None
    topic: str
    partition: int
    offset: int
    frame: str | None
    judgement: str | None = None
    kind: str | None = None
    note: str | None = None
    by: str | None = None
    reviewed_ms: int | None = None
    sample: str | None = None

    @property
    def reference(self) -> FrameRef | None:
        """Which frame it is; None: its headers were unreadable."""
        return FrameRef.model_validate_json(self.frame) if self.frame else None

    @property
    def facts(self) -> dict[str, str]:
        """What else is known of the part: name -> text."""
        return _facts(json.loads(self.frame)) if self.frame else {}

    def outcome(self) -> Outcome:
        """As its worker published it, as far as a review speaks of it."""
        rejected = self.verdict == "rejected"
        return Outcome(
            outcome_id=self.outcome_id,
            frame=self.reference,
            record=RecordRef(topic=self.topic, partition=self.partition, offset=self.offset),
            run=self.run,
            worker_id="",
            verdict=None if rejected else Verdict(self.verdict),
            rejected=RejectReason(self.reason or "") if rejected else None,
            image_score=self.score,
            image_threshold=self.threshold,
            model_version=self.model_version,
            calibration_id=self.calibration_id,
            decided_at=datetime.fromtimestamp(self.decided_ms / 1000, UTC),
        )


def _facts(frame: Mapping[str, Any]) -> dict[str, str]:
    """What a frame's reference says of the part, whatever this version of us knows."""
    said = frame.get("part")
    if not isinstance(said, dict):
        return {}
    flat = {**said, **(said.get("attributes") or {})}
    return {name: text for name, text in flat.items() if isinstance(text, str) and text}


def select_parts(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Outcomes with the last word on each."""
    said = [words.c[name] for name in _WORD]
    joined = outcomes.outerjoin(words, outcomes.c.part == words.c.part)
    return select(*_OWN, *said).select_from(joined).where(*conditions)


def parts(
    connection: Connection, found: Select[Any], given: Mapping[str, Any] | None = None
) -> list[Part]:
    """The rows of a selection; `given`: what it leaves open."""
    return [Part(*row) for row in _rows(connection.execute(found, given or {}))]


def _rows(rows: Iterable[Row[Any]]) -> Iterator[tuple[Any, ...]]:
    return (tuple(row) for row in rows)


def find(connection: Connection, part: str) -> Part | None:
    """A part by its key."""
    found = parts(connection, select_parts(outcomes.c.part == part).limit(1))
    return found[0] if found else None


def event_of(connection: Connection, part: str) -> dict[str, Any]:
    """The defect's event, with the pictures that were made later; empty: there is nothing."""
    found = connection.execute(select(defects.c.event).where(defects.c.part == part)).scalar()
    event: dict[str, Any] = json.loads(found) if found else {}
    later = select(explanations.c.evidence).where(explanations.c.part == part)
    evidence = connection.execute(later).scalar()
    return event | {"evidence": json.loads(evidence)} if evidence else event


def notes_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Why pictures are missing: which -> why, for people who wait for them."""
    notes = (event.get("evidence") or {}).get("notes") or {}
    return {what: _LATER if why.startswith(_APART) else why for what, why in notes.items()}


def error_of(connection: Connection, part: str) -> str | None:
    """Why a part was not inspected, in words."""
    found = select(dead_letters.c.error).where(dead_letters.c.part == part)
    return connection.execute(found).scalar()
