"""When silence is no alarm: ends that were announced, pauses by plan or by command."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TypeVar
from zoneinfo import ZoneInfo

from schemas.camera_state import CameraCondition, CameraState
from workers.notifier.clock import Now
from workers.notifier.settings import PauseSettings, WatchSettings
from workers.notifier.watching.cameras import Camera

T = TypeVar("T")

_ENDS = 10_000  # announced ends that are kept
_PAUSES = 1000
_REMEMBERED = 10_000  # cameras of which it is known whether they rest
_LONGEST_S = 31 * 86_400.0  # a slip in a date must not silence a line for years
_AFTER_END = timedelta(minutes=10)  # a worker may be so far behind an end that is announced
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Plan:
    """The weekly pauses of the settings, by the wall clock of their zone."""

    def __init__(self, pauses: Sequence[PauseSettings], zone: str) -> None:
        self._pauses, self._zone = pauses, ZoneInfo(zone)

    def covers(self, camera_id: str, utc: datetime) -> bool:
        """Whether the plan lets this camera rest now."""
        if not self._pauses:
            return False
        local = utc.astimezone(self._zone)
        return any(
            _within(pause, local) and any(fnmatchcase(camera_id, each) for each in pause.cameras)
            for pause in self._pauses
        )


def _within(pause: PauseSettings, local: datetime) -> bool:
    """A pause that ends before it starts lasts over midnight; its day is that of its start."""
    time, today = local.time(), _DAYS[local.weekday()]
    if pause.start < pause.end:
        return today in pause.days and pause.start <= time < pause.end
    yesterday = _DAYS[(local - timedelta(days=1)).weekday()]
    return (today in pause.days and time >= pause.start) or (
        yesterday in pause.days and time < pause.end
    )


class Announced:
    """What cameras and people announced on the topic of camera states."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, CameraState] = OrderedDict()
        self._pauses: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._resumes: OrderedDict[str, datetime] = OrderedDict()
        self._rests: dict[str, bool] = {}  # by camera, while the pauses stay as they are

    def hear(self, state: CameraState, now: Now) -> None:
        """Take a state; the time that is left of a pause is counted by the monotonic clock."""
        self._rests.clear()
        if state.state is CameraCondition.STOPPED:
            _put(self._ends, state.camera, state, _ENDS)
        elif state.state is CameraCondition.RESUMED:
            _put(self._resumes, state.camera, state.announced_at, _PAUSES)
            over = [each for each, (_, at) in self._pauses.items() if at <= state.announced_at]
            for pattern in [each for each in over if fnmatchcase(each, state.camera)]:
                del self._pauses[pattern]
        elif state.until is not None and not self._resumed_since(state):
            left_s = min((state.until - now.utc).total_seconds(), _LONGEST_S)
            _put(self._pauses, state.camera, (now.s + left_s, state.announced_at), _PAUSES)

    def _resumed_since(self, pause: CameraState) -> bool:
        """Partitions are read in no order: what ends a pause may be read before it."""
        later = (each for each, at in self._resumes.items() if at >= pause.announced_at)
        return any(fnmatchcase(pause.camera, each) for each in later)

    def pausing(self, now_s: float) -> bool:
        """Whether any pause goes on; those that are over are forgotten."""
        for pattern in [each for each, (end_s, _) in self._pauses.items() if now_s >= end_s]:
            del self._pauses[pattern]
            self._rests.clear()
        return bool(self._pauses)

    def rests(self, camera_id: str) -> bool:
        """Whether a camera rests, by the pauses that go on."""
        found = self._rests.get(camera_id)
        if found is None:
            found = any(fnmatchcase(camera_id, each) for each in self._pauses)
            if len(self._rests) < _REMEMBERED:
                self._rests[camera_id] = found
        return found

    def end_of(self, camera: Camera) -> CameraState | None:
        """The end of the camera's present epoch, when it was announced."""
        end = self._ends.get(camera.camera_id)
        if end is None or camera.count is None:
            return end
        count = camera.count
        same = (end.epoch or "0") == count.epoch
        newest = count.captured or (count.decided and count.decided - _AFTER_END)
        return end if same and (newest is None or newest <= end.announced_at) else None


def _put(room: OrderedDict[str, T], key: str, value: T, limit: int) -> None:
    room[key] = value
    room.move_to_end(key)
    while len(room) > limit:
        room.popitem(last=False)


class Pauses:
    """Plan and announcements together."""

    def __init__(self, settings: WatchSettings) -> None:
        self._plan = Plan(settings.planned_pauses, settings.zone)
        self._planned = bool(settings.planned_pauses)
        self.announced = Announced()

    def resting(self, cameras: Sequence[Camera], now: Now) -> list[Camera]:
        """The cameras that are not expected to send now."""
        if not self.announced.pausing(now.s) and not self._planned:
            return []
        return [
            camera
            for camera in cameras
            if self.announced.rests(camera.camera_id)
            or self._plan.covers(camera.camera_id, now.utc)
        ]

    def unfinished(self, camera: Camera) -> int | None:
        """Frames of an announced end that have no outcome yet; None: no end was announced."""
        end = self.announced.end_of(camera)
        if end is None:
            return None
        if end.frames is None or camera.count is None:
            return 0
        return max(0, end.frames - 1 - camera.count.run.last)
