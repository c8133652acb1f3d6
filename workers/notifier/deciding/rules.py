"""Debounce and group: at most a first alarm, a louder one and a summary per camera, cause, window.

Windows follow the events' own time, so that reading the same records again (after a crash) makes
the same groups and alarms with the same ids. What the events say of time cannot keep a window
open: it is closed by the monotonic clock too.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable

from schemas.alarm import Alarm, Severity
from workers.notifier.clock import Now
from workers.notifier.deciding.groups import Group, alarm_id
from workers.notifier.deciding.happenings import Happening
from workers.notifier.settings import RuleSettings
from workers.runtime.bus.ports import Partition

__all__ = ["Rules", "alarm_id"]

SEVERAL_CAMERAS = "several-cameras"  # stands for those beyond `rules.cameras_named`
_SLACK_S = 1.0  # an event may be that late before its window is closed
_STANDING = 20  # windows of a standing condition are so much longer
Key = tuple[str, str, bool]  # camera id, cause, all clear


class Rules:
    """Turns happenings into alarms."""

    def __init__(self, settings: RuleSettings) -> None:
        self._settings = settings
        self._groups: OrderedDict[Key, Group] = OrderedDict()
        self._crowds: Counter[tuple[str, bool]] = Counter()  # open groups of a cause
        self._seen: OrderedDict[str, Partition | None] = OrderedDict()
        self.repeated = 0  # happenings that were delivered again

    def see(self, happening: Happening, now: Now) -> list[Alarm]:
        """Take a happening; returns the alarms that are due at once."""
        if self._known(happening):
            return []
        alarms: list[Alarm] = []
        if happening.all_clear:  # what it clears is told to its end before
            alarms += self.close((happening.camera_id, happening.cause, False), now)
        key = self._key(happening)
        group = self._groups.get(key)
        if group and self._is_over(group, happening):
            alarms += self.close(key, now)
            group = None
        if group is None:
            return alarms + self._make_room(now) + self._open(key, happening, now)
        group.add(happening)
        self._groups.move_to_end(key)
        severity = self._severity(group, happening)
        if severity != group.severity:
            group.severity = severity
            alarms += group.report(now, follow_up=True)
        return alarms

    def due(self, now: Now) -> list[Key]:
        """The windows that are over; to be closed one by one."""
        return [key for key, group in self._groups.items() if now.s >= self._end_s(group)]

    def opened(self) -> list[Key]:
        """All windows; to be closed when the process ends."""
        return list(self._groups)

    def close(self, key: Key, now: Now) -> list[Alarm]:
        """Close a window; returns its summary, if something was not told yet."""
        group = self._groups.pop(key, None)
        if group is None:
            return []
        self._crowds[key[1:]] -= 1
        return group.report(now, follow_up=True)

    def is_open(self, camera_id: str, cause: str) -> bool:
        """Whether a window of this camera and cause is open."""
        windows = ((camera_id, cause, False), (SEVERAL_CAMERAS, cause, False))
        return any(window in self._groups for window in windows)

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
            self._crowds[key[1:]] -= 1
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

    def _key(self, happening: Happening) -> Key:
        """Its own window, or that of all the cameras for which the same was told too often."""
        cause = (happening.cause, happening.all_clear)
        own = (happening.camera_id, *cause)
        few = self._crowds[cause] < self._settings.cameras_named
        if few or not happening.crowd or own in self._groups:
            return own
        return (SEVERAL_CAMERAS, *cause)

    def _open(self, key: Key, happening: Happening, now: Now) -> list[Alarm]:
        group = self._groups[key] = Group(key[0], happening, now.s, happening.severity)
        self._crowds[key[1:]] += 1
        group.add(happening)
        group.severity = self._severity(group, happening)
        return group.report(now, follow_up=False)

    def _window_s(self, first: Happening) -> float:
        return self._settings.window_s * (_STANDING if first.standing else 1)

    def _is_over(self, group: Group, happening: Happening) -> bool:
        later = (happening.at - group.first.at).total_seconds()
        return not happening.standing and later >= self._window_s(group.first)

    def _end_s(self, group: Group) -> float:
        return group.opened_s + self._window_s(group.first) + _SLACK_S

    def _severity(self, group: Group, happening: Happening) -> Severity:
        if happening.all_clear:
            return Severity.INFO
        critical = Severity.CRITICAL in (group.severity, happening.severity)
        many = not happening.standing and group.total >= self._settings.escalate_after
        return Severity.CRITICAL if critical or many else Severity.WARNING

    def _make_room(self, now: Now) -> list[Alarm]:
        """Close the window that was quiet for longest when there are too many."""
        if len(self._groups) < self._settings.max_windows:
            return []
        return self.close(next(iter(self._groups)), now)
