"""Messages -> rows. Written again, a message changes nothing; whatever the order, the end is one.

Times that lie ahead of ours by more than an hour count as an hour: a wrong clock must not keep its
rows for ever.
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from schemas.acknowledgement import Acknowledgement
from schemas.alarm import Alarm
from schemas.camera_state import CameraState
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent, Evidence
from schemas.explanation import Explanation
from schemas.outcome import FrameRef, InspectorMessage, Outcome, Verdict, fingerprint
from schemas.resolution import Resolution
from schemas.review import Review
from workers.console.history import tables
from workers.console.history.adding import add, add_new, add_newest
from workers.console.history.counting import count_rows
from workers.console.history.fitting import fitted, milliseconds

_AHEAD_MS = 3_600_000
_EVENT_MOST = 60_000  # characters of a defect's event that are kept
_REGIONS, _POINTS = 50, 200  # of an event that is too long: so many, with so many points

Write = Callable[[Connection, Sequence[Any]], None]


def part_of(message: InspectorMessage | Review) -> str:
    """The key of a part: outcome ids repeat where a camera counts anew."""
    return f"{message.outcome_id}-{fingerprint(message.frame, message.record)}"


def write_outcomes(connection: Connection, messages: Sequence[Outcome]) -> None:
    """Outcomes, and each camera's last one."""
    rows = [fitted(tables.outcomes, _outcome(message)) for message in messages]
    said = _said(connection, [row["part"] for row in rows])
    for row in rows:
        row["judgement"] = said.get(row["part"])
        row["queue"] = row["verdict"] if row["judgement"] is None and _asks(row) else None
    count_rows(connection, add_new(connection, rows))
    live = [row for row in rows if row["run"] == "live" and row["frame"] is not None]
    last = {row["camera"]: row for row in sorted(live, key=lambda row: row["decided_ms"])}
    names = ("camera", "part", "decided_ms")
    add_newest(
        connection,
        tables.cameras,
        [{name: row[name] for name in names} for row in last.values()],
        "decided_ms",
    )


def _outcome(message: Outcome) -> dict[str, Any]:
    frame, record = message.frame, message.record
    decided_ms = _sane(message.decided_at)
    return {
        "part": part_of(message),
        "outcome_id": message.outcome_id,
        "run": message.run,
        "frame_id": frame.frame_id if frame else "",
        "camera": frame.camera_id if frame else f"{record.topic}-{record.partition}",
        "category": frame.category if frame else "",
        "serial": _serial(frame),
        "captured_ms": milliseconds(frame.captured_at) if frame else decided_ms,
        "decided_ms": decided_ms,
        "verdict": message.verdict.value if message.verdict else "rejected",
        "reason": message.rejected.value if message.rejected else None,
        "score": message.image_score,
        "threshold": message.image_threshold,
        "model_version": message.model_version,
        "calibration_id": message.calibration_id,
        "total_ms": message.latencies.total_ms if message.latencies else None,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "frame": frame.model_dump_json() if frame else None,
    }


def _asks(row: dict[str, Any]) -> bool:
    """Whether somebody should have a look."""
    return row["verdict"] != "pass" and row["run"] == "live" and row["frame"] is not None


def _said(connection: Connection, parts: list[str]) -> dict[str, str]:
    """Part -> the word on it: reviews may be read before what they speak of."""
    found = select(tables.words.c.part, tables.words.c.judgement)
    return dict(
        tuple(row) for row in connection.execute(found.where(tables.words.c.part.in_(parts)))
    )


def _serial(frame: FrameRef | None) -> str | None:
    said = getattr(frame, "part", None)
    return (getattr(said, "serial", None) or getattr(said, "id", None)) if said else None


def write_shadows(connection: Connection, messages: Sequence[Outcome]) -> None:
    """What a version on trial said of frames that another one decides about."""
    rows = [
        {
            "part": part_of(message),
            "model_version": message.model_version or "",
            "category": message.frame.category,
            "decided_ms": _sane(message.decided_at),
            "alarms": message.verdict is Verdict.DEFECT,
        }
        for message in messages
        if message.verdict and message.frame
    ]
    add(connection, tables.shadows, [fitted(tables.shadows, row) for row in rows])


def write_defects(connection: Connection, messages: Sequence[DefectEvent]) -> None:
    """The events of defects, cut to their bounds."""
    rows = [
        {"part": part_of(m), "decided_ms": _sane(m.decided_at), "event": _cut(m)} for m in messages
    ]
    add(connection, tables.defects, [fitted(tables.defects, row) for row in rows])


def _cut(message: DefectEvent) -> str:
    """The event as JSON; what is too long loses regions, then everything but its pictures."""
    whole = message.model_dump_json()
    if len(whole) <= _EVENT_MOST:
        return whole
    few = [r.model_copy(update={"polygon": r.polygon[:_POINTS]}) for r in message.regions]
    for regions in (few[:_REGIONS], []):
        shorter = message.model_copy(update={"regions": regions}).model_dump_json()
        if len(shorter) <= _EVENT_MOST:
            return shorter
    return json.dumps({})


def write_explanations(connection: Connection, messages: Sequence[Explanation]) -> None:
    """The links of the last explanation of each part."""
    rows = [
        {
            "part": part_of(message),
            "explained_ms": _sane(message.explained_at),
            "evidence": _links(message.evidence),
        }
        for message in messages
    ]
    add_newest(connection, tables.explanations, rows, "explained_ms")


def _links(evidence: Evidence) -> str:
    whole = evidence.model_dump_json()
    return whole if len(whole) <= _EVENT_MOST else Evidence().model_dump_json()


def write_dead_letters(connection: Connection, messages: Sequence[DeadLetter]) -> None:
    """Why frames were not inspected."""
    rows = [
        {
            "part": part_of(message),
            "outcome_id": message.outcome_id,
            "rejected_ms": _sane(message.rejected_at),
            "reason": message.reason.value,
            "error": message.error[:2000],
            "attempts": message.attempts,
        }
        for message in messages
    ]
    add(connection, tables.dead_letters, [fitted(tables.dead_letters, row) for row in rows])


def write_resolutions(connection: Connection, messages: Sequence[Resolution]) -> None:
    """What became of dead letters."""
    rows = [
        {
            "outcome_id": message.outcome_id,
            "resolved_ms": _sane(message.resolved_at),
            "action": message.action.value,
            "by": message.by,
            "why": message.why[:2000],
        }
        for message in messages
    ]
    add_newest(connection, tables.resolutions, rows, "resolved_ms")


def write_alarms(connection: Connection, messages: Sequence[Alarm | Acknowledgement]) -> None:
    """What people were told, and who sees to it: of each alarm the first who said so."""
    _write_alarms(connection, [each for each in messages if isinstance(each, Alarm)])
    for each in messages:
        if isinstance(each, Acknowledgement):
            _acknowledge(connection, each)


def _acknowledge(connection: Connection, message: Acknowledgement) -> None:
    table = tables.alarms
    said = {
        "acknowledged_ms": _sane(message.acknowledged_at),
        "acknowledged_by": message.by,
        "note": message.note,
    }
    concerned = fitted(table, {"camera": message.camera_id, "cause": message.cause})
    statement = table.update().where(
        *(table.c[name] == value for name, value in concerned.items()),
        table.c.raised_ms <= milliseconds(message.until),
        table.c.acknowledged_ms.is_(None),
    )
    connection.execute(statement.values(fitted(table, said)))


def _write_alarms(connection: Connection, messages: Sequence[Alarm]) -> None:
    rows = [
        {
            "alarm_id": message.alarm_id,
            "raised_ms": _sane(message.raised_at),
            "severity": message.severity.value,
            "camera": message.camera_id,
            "category": message.category,
            "cause": message.cause,
            "message": message.message[:2000],
            "count": message.count,
        }
        for message in messages
    ]
    add(connection, tables.alarms, [fitted(tables.alarms, row) for row in rows])


def write_reviews(connection: Connection, messages: Sequence[Review]) -> None:
    """The last word on each part."""
    rows = [
        {
            "part": part_of(message),
            "review_id": message.review_id,
            "reviewed_ms": _sane(message.reviewed_at),
            "judgement": message.judgement.value,
            "kind": message.kind,
            "note": message.note,
            "sample": message.sample.value if message.sample else None,
            "by": message.by,
        }
        for message in messages
    ]
    add_newest(connection, tables.words, rows, "reviewed_ms", "review_id")
    for part, judgement in _said(connection, [str(row["part"]) for row in rows]).items():
        connection.execute(
            update(tables.outcomes)
            .where(tables.outcomes.c.part == part)
            .values(judgement=judgement, queue=None)
        )


def write_states(connection: Connection, messages: Sequence[CameraState]) -> None:
    """What was announced of cameras last."""
    rows = [
        {
            "camera": message.camera,
            "state": message.state.value,
            "until_ms": milliseconds(message.until) if message.until else None,
            "by": message.by,
            "why": message.why,
            "announced_ms": _sane(message.announced_at),
        }
        for message in messages
    ]
    add_newest(connection, tables.pauses, rows, "announced_ms")


def _sane(moment: datetime) -> int:
    return min(milliseconds(moment), int(time.time() * 1000) + _AHEAD_MS)
