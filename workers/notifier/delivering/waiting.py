"""What waits for one channel, in memory: by rank, then by age; bounded in bytes. Any thread."""

import threading
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from schemas.alarm import Alarm

_Group = tuple[int, str, str]  # rank, kind, cause


@dataclass(slots=True, eq=False)
class Kept:
    """An alarm and the channels that it is for."""

    alarm: Alarm
    number: int  # rising: an older alarm has a smaller one
    rank: int
    size: int  # bytes on disk
    since: float  # monotonic seconds
    to: tuple[str, ...]
    left: set[str]  # channels that have not settled it
    offset: int | None = None  # in the journal; None: in memory only
    told: bool = False  # some channel has taken it

    @property
    def group(self) -> _Group:
        """What may be told together with it."""
        return self.rank, self.alarm.kind.value, self.alarm.cause


class Waiting:
    """A ranked queue that one courier waits for."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes, self._count = max_bytes, 0, 0
        self._groups: dict[_Group, OrderedDict[int, Kept]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def add(self, kept: Kept) -> list[Kept]:
        """Take an alarm; returns what had to be given up for it: the last of the lowest rank."""
        with self._changed:
            self._groups.setdefault(kept.group, OrderedDict())[kept.number] = kept
            self._bytes += kept.size
            self._count += 1
            given_up = []
            while self._bytes > self._max_bytes and self._count > 1:
                lowest = max(self._groups, key=lambda group: group[0])
                given_up.append(next(iter(self._groups[lowest].values())))
                self._drop(given_up[-1])
            self._changed.notify_all()
            return given_up

    def next(
        self, most: int, *, one_cause: bool, without: Container[int] = frozenset()
    ) -> list[Kept]:
        """The first alarms, which stay until they are removed; of one cause if that is asked.

        `without`: numbers of alarms that are left out.
        """
        with self._changed:
            found: list[Kept] = []
            for group in sorted(self._groups, key=self._order):
                for kept in self._groups[group].values():
                    if len(found) == most:
                        return found
                    if kept.number not in without:
                        found.append(kept)
                if one_cause and found:
                    break
            return found

    def remove(self, settled: Iterable[Kept]) -> list[Kept]:
        """These need not wait any more; returns those that did until now."""
        with self._changed:
            return [kept for kept in settled if self._drop(kept)]

    def wait(self, seconds: float, *, even_if_some: bool = False) -> None:
        """Until something waits, `close`, or the time is over; a pause goes to its end."""
        with self._changed:
            pausing = even_if_some
            self._changed.wait_for(
                lambda: self._closed or (self._count > 0 and not pausing), timeout=seconds
            )

    def close(self) -> None:
        """Wake up whoever waits, now and from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def oldest_since(self) -> float | None:
        """Since when the oldest alarm waits (monotonic seconds)."""
        with self._changed:
            firsts = [next(iter(group.values())) for group in self._groups.values()]
            return min((kept.since for kept in firsts), default=None)

    def _order(self, group: _Group) -> tuple[int, int]:
        return group[0], next(iter(self._groups[group]))

    def _drop(self, kept: Kept) -> bool:
        group = self._groups.get(kept.group, OrderedDict())
        if group.pop(kept.number, None) is None:
            return False
        if not group:
            del self._groups[kept.group]
        self._bytes -= kept.size
        self._count -= 1
        return True


def alarms_of(group: Sequence[Kept]) -> list[Alarm]:
    """Their alarms."""
    return [kept.alarm for kept in group]
