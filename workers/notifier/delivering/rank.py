"""Which alarm goes first when several wait, and which is given up first. Pure."""

from collections import OrderedDict

from schemas.alarm import Alarm, AlarmKind, Severity
from workers.notifier.delivering.text import GIVEN_UP

_HORIZON_S = 600.0  # told about this camera and cause within it: the next one is a repetition
_REMEMBERED = 10_000
_REPEATED = 4
LOWEST = 7

Key = tuple[str, str, str]  # camera id, kind, cause


class Ranks:
    """Ranks alarms: 0 is first, 7 last. A repetition, unless it is louder, comes after all news."""

    def __init__(self) -> None:
        self._told: OrderedDict[Key, tuple[float, bool]] = OrderedDict()  # when, critical

    def rank(self, alarm: Alarm, now: float) -> int:
        """The alarm's rank. `now` in seconds of a clock that only goes forward."""
        if alarm.cause == GIVEN_UP:
            return 0
        own = _urgency(alarm)
        return own + _REPEATED if self._repeated(alarm, now) else own

    def _repeated(self, alarm: Alarm, now: float) -> bool:
        key, critical = (alarm.camera_id, alarm.kind.value, alarm.cause), _critical(alarm)
        when, loud = self._told.pop(key, (now - _HORIZON_S, False))
        recent = now - when < _HORIZON_S
        self._told[key] = (now, critical or (recent and loud))
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return recent and (loud or not critical)


def _critical(alarm: Alarm) -> bool:
    return alarm.severity is Severity.CRITICAL


def _urgency(alarm: Alarm) -> int:
    """A defect is a bad part that is known; then what is critical; then the rest."""
    if alarm.kind is AlarmKind.DEFECT:
        return 0 if _critical(alarm) else 1
    return 2 if _critical(alarm) else 3
