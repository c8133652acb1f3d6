"""What the notifier reads, in one shape: something happened to a camera, for a cause."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.alarm import AlarmKind, Severity
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.interruption import Interruption
from schemas.outcome import fingerprint
from schemas.review import Review
from workers.runtime.bus.ports import Gap, GapCause, Partition, Record

DEFECT = "defect"
SEQUENCE_GAP = "sequence-gap"
CAMERA_SILENT = "camera-silent"
CONTRADICTION = "camera-contradiction"
UNKNOWN_CAMERA = "unknown-camera"
UNREADABLE_EVENT = "unreadable-event"
EVENTS_EXPIRED = "events-expired"
MISSED_DEFECT = "missed-defect"

_NAME_LIMIT = 256  # characters, as in the schema of an alarm
_TEXT_LIMIT = 1000
_LINK_LIMIT = 2000
_MOST = 10**9  # frames that one happening can speak of
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Place(NamedTuple):
    """Where a record stands."""

    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One reason to tell somebody. The same `event_id` is the same happening, delivered again.

    Whatever a record said, what is made of it here fits into an alarm.
    """

    event_id: str
    camera_id: str
    cause: str
    kind: AlarmKind
    severity: Severity
    at: datetime
    text: str
    place: Place | None  # None: needs no second reading after a crash
    category: str | None = None
    frame_ids: tuple[str, ...] = ()
    weight: int = 1  # frames concerned
    badness: float = 0.0  # the worst of a group speaks for it
    evidence: str | None = None
    traceparent: str | None = None
    subject: str | None = None  # what a group lists as its examples
    all_clear: bool = False
    standing: bool = False  # holds on for long: told rarely, and many are no worse than few
    crowd: bool = False  # of many cameras at once it is told together

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # frozen for everybody else
        set_(self, "camera_id", short_name(self.camera_id))
        set_(self, "text", clean(self.text, _TEXT_LIMIT))
        set_(self, "category", None if self.category is None else clean(self.category, _NAME_LIMIT))
        set_(self, "weight", max(1, min(self.weight, _MOST)))
        if self.evidence and len(self.evidence) > _LINK_LIMIT:
            set_(self, "evidence", None)
        if self.traceparent and not _TRACEPARENT.fullmatch(self.traceparent):
            set_(self, "traceparent", None)


def clean(text: str, limit: int) -> str:
    """Text that can be encoded, of at most so many characters."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def short_name(name: str) -> str:
    """A name of at most 256 characters; of a longer one a digest keeps it apart from others."""
    if 0 < len(name) <= _NAME_LIMIT:
        return clean(name, _NAME_LIMIT)
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{clean(name, _NAME_LIMIT - 14)} {digest}".strip()


def from_defect(event: DefectEvent, place: Place) -> Happening:
    """A product with a defect."""
    frame, evidence = event.frame, event.evidence
    regions = f" in {len(event.regions)} regions" if len(event.regions) > 1 else ""
    return Happening(
        event_id=f"defect:{event.outcome_id}:{fingerprint(frame, event.record)}",
        camera_id=frame.camera_id,
        cause=DEFECT,
        kind=AlarmKind.DEFECT,
        severity=Severity.WARNING,
        at=event.decided_at,
        text=f"defect on {frame.category}: score {event.image_score:.3g}, "
        f"threshold {event.image_threshold:.3g}{regions}",
        place=place,
        category=frame.category,
        frame_ids=(frame.frame_id,),
        badness=event.image_score - event.image_threshold,
        evidence=evidence.outline or evidence.heatmap or evidence.frame,
        traceparent=event.traceparent,
    )


def from_dead_letter(letter: DeadLetter, place: Place) -> Happening:
    """A frame that was not inspected."""
    frame, record = letter.frame, letter.record
    where = f"{short_name(record.topic)} {record.partition}:{record.offset}"
    return Happening(
        event_id=f"dead-letter:{letter.outcome_id}:{fingerprint(frame, record)}",
        camera_id=letter.key,
        cause=letter.reason.value,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=letter.rejected_at,
        text=f"frame not inspected ({letter.reason.value}, {where}): {letter.error}",
        place=place,
        category=frame.category if frame else None,
        frame_ids=(frame.frame_id,) if frame else (),
        traceparent=letter.traceparent,
    )


def from_missed(review: Review, place: Place) -> Happening:
    """A defective part that inspection let pass, as a person says: told once of each part."""
    frame, shown = review.frame, review.shown
    kind = f" ({review.kind})" if review.kind else ""
    score = (
        f"scored {shown.image_score:.3g}, threshold {shown.image_threshold:.3g}"
        if shown.image_score is not None and shown.image_threshold is not None
        else "was not inspected"
    )
    note = f": {review.note}" if review.note else ""
    return Happening(
        event_id=f"missed:{':'.join(review.subject)}",
        camera_id=frame.camera_id,
        cause=MISSED_DEFECT,
        kind=AlarmKind.DEFECT,
        severity=Severity.CRITICAL,
        at=review.reviewed_at,
        text=f"defect on {frame.category} was missed{kind}, it {score}; by {review.by}{note}",
        place=place,
        category=frame.category,
        frame_ids=(frame.frame_id,),
    )


def from_interruption(interruption: Interruption, place: Place) -> Happening:
    """Many frames that were not inspected, told at once."""
    return Happening(
        event_id=f"interruption:{interruption.interruption_id}",
        camera_id=interruption.key,
        cause=interruption.cause.value,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        at=interruption.noticed_at,
        text=interruption.error,
        place=place,
        weight=interruption.records,
    )


def from_unreadable(record: Record, reason: str, at: datetime) -> Happening:
    """A record that could not be handled: what it reports is not known. One alarm per topic."""
    topic, partition = record.partition.topic, record.partition.index
    key = (record.key or b"")[:_NAME_LIMIT].decode("utf-8", "replace")
    of = f" (key {key!r})" if key else ""
    return Happening(
        event_id=f"unreadable:{topic}:{partition}:{record.offset}",
        camera_id=topic,
        cause=UNREADABLE_EVENT,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=at,
        text=f"event {topic} {partition}:{record.offset}{of} cannot be read: {reason}",
        place=Place(record.partition, record.offset),
    )


def from_gap(gap: Gap, at: datetime) -> Happening:
    """Events that are not to be had: whoever they concern was not told."""
    topic, index = gap.partition.topic, gap.partition.index
    unreadable = gap.cause is GapCause.UNREADABLE
    fate = (
        f"could not be unpacked ({gap.why})"
        if unreadable
        else "were deleted by the topic's retention before they were read"
    )
    return Happening(
        event_id=f"{gap.cause.value}:{topic}:{index}:{gap.first}-{gap.last}",
        camera_id=topic,
        cause=UNREADABLE_EVENT if unreadable else EVENTS_EXPIRED,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        at=at,
        text=f"{gap.records} events of {topic} {index} ({gap.first} to {gap.last}) {fate}: "
        "nobody was told of them",
        place=None,
        weight=gap.records,
    )
