"""Debounce and group: at most a first alarm, a louder one and a summary per camera, cause, window.

Pure: time is an argument. Windows follow the events' own time, so that reading the same records
again (after a crash) makes the same groups and alarms with the same ids.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.alarm import Alarm, Severity
from workers.notifier.happenings import Happening
from workers.notifier.settings import RuleSettings
from workers.runtime.bus.ports import Partition

_FRAME_IDS = 20  # that an alarm lists
_TEXT_LIMIT = 1000
_SLACK = timedelta(seconds=1)  # an event may be that late before its window is closed
Key = tuple[str, str]  # camera id, cause


def alarm_id(camera_id: str, cause: str, first_event_id: str) -> str:
    """The id of an alarm: the same when it is made again from the same events."""
    text = "\x1f".join((camera_id, cause, first_event_id))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(slots=True)
class _Pending:
    """What happened since the last alarm of a group."""

    first: Happening
    last_seen: datetime
    worst: Happening
    count: int = 0
    frame_ids: list[str] = field(default_factory=list)

    def add(self, happening: Happening) -> None:
        self.count += happening.weight
        self.last_seen = max(self.last_seen, happening.at)
        self.frame_ids.extend(happening.frame_ids[: _FRAME_IDS - len(self.frame_ids)])
        if happening.badness > self.worst.badness:
            self.worst = happening


@dataclass(slots=True)
class _Group:
    """The open window of one camera and cause."""

    first: Happening
    opened: datetime  # by our clock
    severity: Severity
    total: int = 0
    pending: _Pending | None = None
    held: dict[Partition, int] = field(default_factory=dict)  # its first record per partition

    def add(self, happening: Happening) -> None:
        self.total += happening.weight
        if self.pending is None:
            self.pending = _Pending(happening, happening.at, happening)
        self.pending.add(happening)
        if happening.place:
            partition, offset = happening.place
            self.held[partition] = min(offset, self.held.get(partition, offset))


class Rules:
    """Turns happenings into alarms."""

    def __init__(self, settings: RuleSettings) -> None:
        self._settings = settings
        self._window = timedelta(seconds=settings.window_s)
        self._groups: OrderedDict[Key, _Group] = OrderedDict()
        self._seen: OrderedDict[str, Partition | None] = OrderedDict()
        self.repeated = 0  # happenings that were delivered again

    def see(self, happening: Happening, now: datetime) -> list[Alarm]:
        """Take a happening; returns the alarms that are due at once."""
        if self._known(happening):
            return []
        key = (happening.camera_id, happening.cause)
        alarms: list[Alarm] = []
        group = self._groups.get(key)
        if group and happening.at >= group.first.at + self._window:
            alarms += self._close(key, now)
            group = None
        if group is None:
            alarms += self._make_room(now)
            group = self._groups[key] = _Group(happening, now, happening.severity)
            group.add(happening)
            group.severity = self._severity(group, happening)
            return alarms + self._report(group, now, follow_up=False)
        group.add(happening)
        self._groups.move_to_end(key)
        severity = self._severity(group, happening)
        if severity != group.severity:
            group.severity = severity
            alarms += self._report(group, now, follow_up=True)
        return alarms

    def tick(self, now: datetime) -> list[Alarm]:
        """Close the windows that are over."""
        over = [k for k, g in self._groups.items() if now >= g.opened + self._window + _SLACK]
        return self._close_all(over, now)

    def finish(self, now: datetime) -> list[Alarm]:
        """Close all windows: the process ends."""
        return self._close_all(list(self._groups), now)

    def is_open(self, camera_id: str, cause: str) -> bool:
        """Whether a window of this camera and cause is open."""
        return (camera_id, cause) in self._groups

    def held(self) -> dict[Partition, int]:
        """Positions that must not be passed by a commit: the first records of open windows."""
        held: dict[Partition, int] = {}
        for group in self._groups.values():
            for partition, offset in group.held.items():
                held[partition] = min(offset, held.get(partition, offset))
        return held

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These partitions went to somebody else, who reads the open windows' records again."""
        gone = set(partitions)
        for key in [key for key, group in self._groups.items() if gone & set(group.held)]:
            del self._groups[key]
        for event_id in [event for event, place in self._seen.items() if place in gone]:
            del self._seen[event_id]

    def _known(self, happening: Happening) -> bool:
        if happening.event_id in self._seen:
            self.repeated += 1
            return True
        self._seen[happening.event_id] = happening.place.partition if happening.place else None
        if len(self._seen) > self._settings.remember_events:
            self._seen.popitem(last=False)
        return False

    def _severity(self, group: _Group, happening: Happening) -> Severity:
        critical = Severity.CRITICAL in (group.severity, happening.severity)
        many = group.total >= self._settings.escalate_after
        return Severity.CRITICAL if critical or many else Severity.WARNING

    def _make_room(self, now: datetime) -> list[Alarm]:
        """Close the window that was quiet for longest when there are too many."""
        if len(self._groups) < self._settings.max_windows:
            return []
        return self._close(next(iter(self._groups)), now)

    def _close_all(self, keys: list[Key], now: datetime) -> list[Alarm]:
        return [alarm for key in keys for alarm in self._close(key, now)]

    def _close(self, key: Key, now: datetime) -> list[Alarm]:
        return self._report(self._groups.pop(key), now, follow_up=True)

    def _report(self, group: _Group, now: datetime, *, follow_up: bool) -> list[Alarm]:
        """The alarm for what is pending, if anything is."""
        pending, group.pending = group.pending, None
        return [_alarm(group, pending, now, follow_up)] if pending else []


def _alarm(group: _Group, pending: _Pending, now: datetime, follow_up: bool) -> Alarm:
    first, worst = pending.first, pending.worst
    more = f"{pending.count} more, e.g. " if follow_up else ""
    return Alarm(
        alarm_id=alarm_id(first.camera_id, first.cause, first.event_id),
        kind=first.kind,
        severity=group.severity,
        camera_id=first.camera_id,
        category=worst.category,
        cause=first.cause,
        message=f"{first.camera_id}: {more}{worst.text}"[:_TEXT_LIMIT],
        first_seen=first.at,
        last_seen=pending.last_seen,
        count=pending.count,
        frame_ids=pending.frame_ids,
        evidence=worst.evidence,
        raised_at=now,
        traceparent=first.traceparent,
    )
