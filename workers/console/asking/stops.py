"""Stops of cameras that somebody announced: planned pauses, and orderly ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sqlalchemy import Connection, select

from workers.console.history.tables import pauses

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Stop:
    """One announcement that holds."""

    camera: str  # or a pattern of ids
    state: str  # paused, or stopped: an orderly end
    until_ms: int | None
    by: str
    why: str
    announced_ms: int


def stops(connection: Connection, now_ms: int) -> list[Stop]:
    """Those that hold, the last announced first: neither over nor taken back."""
    table = pauses.c
    columns = (table[name] for name in Stop.__slots__)
    found = select(*columns).order_by(table.announced_ms.desc()).limit(_MOST)
    every = [Stop(*row) for row in connection.execute(found)]
    resumed = [each for each in every if each.state == "resumed"]
    return [each for each in every if _holds(each, resumed, now_ms)]


def _holds(stop: Stop, resumed: Iterable[Stop], now_ms: int) -> bool:
    if stop.state == "stopped":
        return True
    if stop.state != "paused" or stop.until_ms is None or stop.until_ms <= now_ms:
        return False
    return not any(
        each.announced_ms >= stop.announced_ms and fnmatchcase(stop.camera, each.camera)
        for each in resumed
    )


def reason(announced: Sequence[Stop], camera: str, captured_ms: int) -> str | None:
    """Why a camera rests whose last frame is from then; None: nobody said so.

    Frames after an orderly end show that it runs again.
    """
    for stop in announced:
        over = stop.state == "stopped" and captured_ms > stop.announced_ms
        if not over and fnmatchcase(camera, stop.camera):
            return stop.why or stop.state
    return None
