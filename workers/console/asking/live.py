"""What the cameras did last."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from workers.console.asking.parts import Part, parts, select_parts
from workers.console.asking.stops import Stop, reason, stops
from workers.console.history.tables import alarms, cameras, outcomes

_CAMERAS = 200  # on one page
_LAST = 10  # outcomes of a camera
_WINDOW_S = 60
_SILENT_S = 60.0
_AWAY_MS = 86_400_000  # then it is named below: one that was renamed is no alarm for ever
_MOST_AWAY = 100

# Of one camera; made once, since a page asks for each.
_OF_CAMERA = outcomes.c.camera == bindparam("name")
_STRIP = select_parts(_OF_CAMERA).order_by(outcomes.c.decided_ms.desc()).limit(_LAST)
_RECENT = select(func.count()).where(_OF_CAMERA, outcomes.c.decided_ms > bindparam("since"))


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's last minute."""

    name: str
    last: Part
    strip: tuple[Part, ...]  # the last outcomes, oldest first
    per_minute: int
    latency_ms: float | None  # median of the strip
    silent_s: float
    announced: str | None  # why it is silent, if somebody said so

    @property
    def state(self) -> str:
        """sends, silent, or as announced."""
        if self.announced:
            return "announced"
        return "silent" if self.silent_s > _SILENT_S else "sends"


@dataclass(frozen=True, slots=True)
class Live:
    """The page."""

    at_ms: int
    cameras: tuple[Camera, ...]
    more: int  # cameras that have no room
    away: tuple[tuple[str, float], ...]  # without a frame for a day: name, seconds of silence
    unacknowledged: int  # critical alarms of the last day


def live(connection: Connection) -> Live:
    """All cameras, by name."""
    now_ms = int(time.time() * 1000)
    # They are few and shown by name: no index on times shall tempt SQLite to sort them.
    present = func.coalesce(cameras.c.decided_ms, 0) >= now_ms - _AWAY_MS
    names = select(cameras.c.camera).where(present).order_by(cameras.c.camera).limit(_CAMERAS)
    total = select(func.count()).select_from(cameras).where(present)
    announced = stops(connection, now_ms)
    found = [_camera(connection, n, now_ms, announced) for (n,) in connection.execute(names).all()]
    return Live(
        now_ms,
        tuple(each for each in found if each is not None),
        max(0, connection.execute(total).scalar_one() - _CAMERAS),
        _away(connection, now_ms),
        _alarms(connection, now_ms),
    )


def _away(connection: Connection, now_ms: int) -> tuple[tuple[str, float], ...]:
    table = cameras.c
    found = select(table.camera, table.decided_ms).where(table.decided_ms < now_ms - _AWAY_MS)
    rows = connection.execute(found.order_by(table.decided_ms.desc()).limit(_MOST_AWAY))
    return tuple((name, (now_ms - decided_ms) / 1000) for name, decided_ms in rows)


def _camera(
    connection: Connection, name: str, now_ms: int, announced: Sequence[Stop]
) -> Camera | None:
    strip = parts(connection, _STRIP, {"name": name})
    if not strip:
        return None
    recent = {"name": name, "since": now_ms - _WINDOW_S * 1000}
    latencies = [each.total_ms for each in strip if each.total_ms is not None]
    return Camera(
        name=name,
        last=strip[0],
        strip=tuple(reversed(strip)),
        per_minute=connection.execute(_RECENT, recent).scalar_one(),
        latency_ms=statistics.median(latencies) if latencies else None,
        silent_s=max(0.0, (now_ms - strip[0].decided_ms) / 1000),
        announced=reason(announced, name, strip[0].captured_ms),
    )


def _alarms(connection: Connection, now_ms: int) -> int:
    table = alarms.c
    found = select(func.count()).where(
        table.raised_ms > now_ms - 86_400_000,
        table.severity == "critical",
        table.acknowledged_ms.is_(None),
    )
    return int(connection.execute(found).scalar_one())
