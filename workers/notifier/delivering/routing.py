"""Which alarms a channel gets: all of them, unless a rule says which. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from schemas.alarm import Alarm, Severity
from workers.notifier.delivering.text import GIVEN_UP
from workers.notifier.settings import RouteSettings
from workers.runtime.part_filter import PartFilter

_LISTED = 20  # parts of an alarm
_LOUDNESS = {severity: number for number, severity in enumerate(Severity)}


def takes(route: RouteSettings | None, alarm: Alarm) -> bool:
    """Whether a channel with this rule gets the alarm; what we say of ourselves goes everywhere."""
    if route is None or alarm.cause == GIVEN_UP:
        return True
    return (
        _LOUDNESS[alarm.severity] >= _LOUDNESS[route.min_severity]
        and (not route.kinds or alarm.kind in route.kinds)
        and _fits(alarm.camera_id, route.cameras)
        and _fits(alarm.cause, route.causes)
        and _fits(alarm.category or "", route.categories)
        and _has_part(alarm, PartFilter.of(route.parts))
    )


def _has_part(alarm: Alarm, wanted: PartFilter) -> bool:
    """One of its parts is meant; of one that speaks of more parts than it lists, maybe."""
    more = len(alarm.parts) == _LISTED < alarm.count
    return not wanted.patterns or more or any(map(wanted.takes, alarm.parts))


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
