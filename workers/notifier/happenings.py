"""What the notifier reads, in one shape: something happened to a camera, for a cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.alarm import AlarmKind, Severity
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.errors import SchemaError
from schemas.interruption import Interruption
from workers.runtime.bus.ports import Gap, GapCause, Partition, Record

DEFECT = "defect"
SEQUENCE_GAP = "sequence-gap"
CAMERA_SILENT = "camera-silent"
UNREADABLE_EVENT = "unreadable-event"
EXPIRED_EVENTS = "expired-events"


class Place(NamedTuple):
    """Where a record stands."""

    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One reason to tell somebody. The same `event_id` is the same happening, delivered again."""

    event_id: str
    camera_id: str
    cause: str
    kind: AlarmKind
    severity: Severity
    at: datetime
    text: str
    place: Place | None  # None: nothing was read, time passed
    category: str | None = None
    frame_ids: tuple[str, ...] = ()
    weight: int = 1  # frames concerned
    badness: float = 0.0  # the worst of a group speaks for it
    evidence: str | None = None
    traceparent: str | None = None


def from_defect(event: DefectEvent, place: Place) -> Happening:
    """A defect."""
    frame, evidence = event.frame, event.evidence
    regions = f", {len(event.regions)} regions" if len(event.regions) > 1 else ""
    return Happening(
        event_id=f"defect:{event.outcome_id}",
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
    where = f"{record.topic} {record.partition}:{record.offset}"
    return Happening(
        event_id=f"dead-letter:{letter.outcome_id}",
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
        weight=max(1, interruption.records),
    )


def from_unreadable(record: Record, error: SchemaError, at: datetime) -> Happening:
    """An event that this version cannot read: what it reports is not known."""
    topic, partition = record.partition.topic, record.partition.index
    key = (record.key or b"").decode("utf-8", "replace")
    return Happening(
        event_id=f"unreadable:{topic}:{partition}:{record.offset}",
        camera_id=key[:256] or topic,
        cause=UNREADABLE_EVENT,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=at,
        text=f"event {topic} {partition}:{record.offset} cannot be read: {error}",
        place=Place(record.partition, record.offset),
    )


def from_gap(gap: Gap, at: datetime) -> Happening:
    """Events that were passed over: what they report is not known."""
    topic, partition = gap.partition.topic, gap.partition.index
    unreadable = gap.cause is GapCause.UNREADABLE
    fate = f"could not be unpacked: {gap.why}" if unreadable else "were deleted by its retention"
    return Happening(
        event_id=f"gap:{topic}:{partition}:{gap.first}-{gap.last}",
        camera_id=f"{topic}-{partition}",
        cause=UNREADABLE_EVENT if unreadable else EXPIRED_EVENTS,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        at=at,
        text=f"{gap.records} events of {topic} {partition} ({gap.first} to {gap.last}) {fate}",
        place=Place(gap.partition, gap.first),
        weight=gap.records,
    )
