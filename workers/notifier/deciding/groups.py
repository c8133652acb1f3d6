"""The open windows of the rules, and the alarms that are made of them."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from schemas.alarm import Alarm, AlarmPhase, Severity
from schemas.part import PartRef
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, clean
from workers.runtime.bus.ports import Partition

_FRAME_IDS = 20  # that an alarm lists
_EXAMPLES = 5
_TEXT_LIMIT = 1000


def alarm_id(camera_id: str, cause: str, first_event_id: str) -> str:
    """The id of an alarm: the same when it is made again from the same events."""
    text = "\x1f".join((camera_id, cause, first_event_id))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(slots=True)
class Pending:
    """What happened since the last alarm of a group."""

    first: Happening
    last_seen: datetime
    worst: Happening
    count: int = 0
    frame_ids: list[str] = field(default_factory=list)
    parts: list[PartRef] = field(default_factory=list)
    subjects: dict[str, None] = field(default_factory=dict)  # a set that keeps its order

    def add(self, happening: Happening) -> None:
        """One more."""
        self.count += happening.weight
        self.last_seen = max(self.last_seen, happening.at)
        self.frame_ids.extend(happening.frame_ids[: _FRAME_IDS - len(self.frame_ids)])
        if happening.part and len(self.parts) < _FRAME_IDS:
            self.parts.append(happening.part)
        if happening.subject and len(self.subjects) < _EXAMPLES:
            self.subjects[happening.subject] = None
        if happening.badness > self.worst.badness:
            self.worst = happening


@dataclass(slots=True)
class Group:
    """The open window of one camera and cause."""

    camera_id: str
    first: Happening
    opened_s: float  # monotonic
    severity: Severity
    total: int = 0
    pending: Pending | None = None
    held: dict[Partition, int] = field(default_factory=dict)  # its first record per partition

    def add(self, happening: Happening) -> None:
        """One more."""
        self.total += happening.weight
        if self.pending is None:
            self.pending = Pending(happening, happening.at, happening)
        self.pending.add(happening)
        if happening.place and not happening.standing:
            partition, offset = happening.place
            self.held[partition] = min(offset, self.held.get(partition, offset))

    def report(self, now: Now, *, follow_up: bool) -> list[Alarm]:
        """The alarm for what is pending, if anything is."""
        pending, self.pending = self.pending, None
        return [_alarm(self, pending, now, follow_up)] if pending else []


def _alarm(group: Group, pending: Pending, now: Now, follow_up: bool) -> Alarm:
    first = pending.first
    return Alarm(
        alarm_id=alarm_id(group.camera_id, first.cause, first.event_id),
        kind=first.kind,
        severity=group.severity,
        phase=_phase(first, follow_up),
        camera_id=group.camera_id,
        category=pending.worst.category,
        cause=first.cause,
        message=clean(f"{group.camera_id}: {_message(pending, follow_up)}", _TEXT_LIMIT),
        first_seen=first.at,
        last_seen=pending.last_seen,
        count=pending.count,
        frame_ids=pending.frame_ids,
        parts=pending.parts,
        evidence=pending.worst.evidence,
        raised_at=now.utc,
        traceparent=first.traceparent,
    )


def _phase(first: Happening, follow_up: bool) -> AlarmPhase:
    if first.all_clear:
        return AlarmPhase.ALL_CLEAR
    return AlarmPhase.FOLLOW_UP if follow_up else AlarmPhase.FIRST


def _message(pending: Pending, follow_up: bool) -> str:
    if not follow_up:
        return pending.worst.text
    examples = ", ".join(pending.subjects)
    listed = f" ({examples})" if len(pending.subjects) > 1 else ""
    return f"{pending.count} more{listed}, e.g. {pending.worst.text}"
