"""When shifts begin and end, by the wall clock of their zone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift, from its start to the next one's."""

    name: str
    start: datetime  # in the shifts' zone
    end: datetime

    @property
    def title(self) -> str:
        """2026-01-31 early, 06:00 to 14:00 CET."""
        last = "" if self.start.date() == self.end.date() else f"{self.end:%Y-%m-%d} "
        return f"{self.start:%Y-%m-%d} {self.name}, {self.start:%H:%M} to {last}{self.end:%H:%M %Z}"


def finished(starts: Mapping[str, time], zone: str, now: datetime, most: int) -> list[Shift]:
    """The last shifts that are over, the newest first.

    A day on which clocks are changed has a shift that is longer or shorter; none is missed.
    """
    return [shift for shift in _around(starts, zone, now, most) if shift.end <= now][:most]


def present(starts: Mapping[str, time], zone: str, now: datetime) -> Shift:
    """The shift that goes on, from its start until now."""
    begun = next(shift for shift in _around(starts, zone, now, 1) if shift.start <= now)
    return replace(begun, end=now.astimezone(ZoneInfo(zone)))


def _around(starts: Mapping[str, time], zone: str, now: datetime, most: int) -> list[Shift]:
    """So many shifts before now and those that follow, the newest first."""
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    days = [today - timedelta(days=back) for back in range(most + 2, -3, -1)]
    begun = {
        datetime.combine(day, at, place).astimezone(UTC): name
        for day in days
        for name, at in sorted(starts.items(), key=lambda each: each[1])
    }
    every = [
        Shift(begun[start], start.astimezone(place), end.astimezone(place))
        for start, end in pairwise(sorted(begun))
    ]
    return every[::-1]
