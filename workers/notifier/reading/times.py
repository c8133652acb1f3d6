"""What events say of the time, doubted: nobody's window or window's end may hang on a lie."""

from datetime import UTC, datetime

from workers.notifier.clock import Now
from workers.runtime.bus.ports import Record

_AHEAD_S = 86_400.0  # our own clock may be wrong by hours
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)


def plausible(at: datetime, record: Record, now: Now) -> datetime:
    """The time itself; that of its record where it cannot be true; else ours."""
    if _can_be(at, now):
        return at
    written = _written(record)
    return written if written is not None and _can_be(written, now) else now.utc


def _can_be(at: datetime, now: Now) -> bool:
    return at >= _OLDEST and (at - now.utc).total_seconds() <= _AHEAD_S


def _written(record: Record) -> datetime | None:
    try:
        return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
