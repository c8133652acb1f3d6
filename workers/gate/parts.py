"""Parts as the topics tell of them: announced by their frame's headers, judged by their outcome."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.frame import LIVE, decode_frame
from schemas.outcome import Outcome, Verdict
from schemas.part import PartRef
from workers.runtime.bus.ports import Record


class PartKey(NamedTuple):
    """Which part. An id alone is too little: some cameras use theirs again."""

    frame_id: str
    start: str  # the epoch of its camera
    number: int  # counts up within a start
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class Announced:
    """A part went past its camera."""

    camera: str
    key: PartKey
    who: PartRef | None = None  # who the part is, where its camera says so
    traceparent: str | None = None  # of its frame


@dataclass(frozen=True, slots=True)
class Judged:
    """What inspection says of a part; no verdict: it was not inspected, for this reason."""

    camera: str
    key: PartKey
    verdict: Verdict | None
    reason: str
    who: PartRef | None = None
    traceparent: str | None = None


Told = Announced | Judged


def announcement(outcome: Judged) -> Announced:
    """What its frame would have said."""
    return Announced(outcome.camera, outcome.key, outcome.who, outcome.traceparent)


def announced(record: Record) -> Announced | None:
    """A frame as the announcement of its part; a replay is no part of the line.

    Raises SchemaError. The picture is not looked at.
    """
    frame = decode_frame(record.headers, b"")
    if frame.run != LIVE:
        return None
    key = PartKey(frame.frame_id, frame.epoch, frame.sequence, frame.captured_at)
    return Announced(frame.camera_id, key, frame.part, frame.traceparent)


def judged(record: Record) -> Judged | None:
    """An outcome; None where it speaks of no part that can be known. Raises SchemaError."""
    outcome = Outcome.decode(record.headers, record.value)
    frame = outcome.frame
    if frame is None or outcome.run != LIVE:
        return None
    key = PartKey(frame.frame_id, frame.epoch, frame.sequence, frame.captured_at)
    reason = outcome.verdict or outcome.rejected
    return Judged(
        frame.camera_id, key, outcome.verdict, str(reason), frame.part, outcome.traceparent
    )
