"""What waits for the channels: on disk before anybody is told, in memory while the disk is full.

An alarm that a channel has had (same id, same count) is not kept for it again, so that what is
raised anew from events that were read again does not reach people twice.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from schemas.alarm import Alarm
from schemas.excerpt import plain
from workers.notifier.delivering.journal import (
    DELIVERED,
    GIVEN_UP,
    REFUSED,
    WAITING,
    Journal,
    Line,
    read_alarms,
)
from workers.notifier.delivering.rank import Ranks
from workers.notifier.delivering.refused import AGAIN, RefusedFile, read_all
from workers.notifier.delivering.waiting import Kept, Waiting

log = structlog.get_logger(__name__)

FILE = "outbox.jsonl"
_FORMER = "undelivered"  # folder of earlier versions: a file of bare alarms for each channel
_REMEMBERED = 50_000  # alarms whose repetition is recognised
_SAVE_EVERY_S = 2.0  # tries to bring to the disk what is in memory only

Told = tuple[str, int, str]  # alarm id, count, severity


class Outbox:
    """A ranked queue for each channel, on one journal. Any thread."""

    def __init__(self, folder: Path, channels: Iterable[str], max_bytes: int) -> None:
        self._folder, self._journal = folder, Journal(folder / FILE)
        self._refused = RefusedFile(folder)
        self.queues = {name: Waiting(max_bytes) for name in channels}
        self._lock = threading.RLock()  # of the journal and what follows
        self._ranks = Ranks()
        self._number = 0
        self._told: OrderedDict[Told, set[str]] = OrderedDict()
        self._live: dict[int, Kept] = {}  # by number
        self._live_bytes = 0
        self._unsaved: dict[int, Kept] = {}  # in memory only
        self._save_at = 0.0
        self.problem: str | None = None  # why the disk does not take alarms
        self._load()

    @property
    def in_memory(self) -> int:
        """Alarms that are not on disk."""
        return len(self._unsaved)

    @property
    def safe(self) -> bool:
        """Whether every alarm is on disk, or somebody has been told of it."""
        with self._lock:
            return all(kept.told for kept in self._unsaved.values())

    def put(
        self, routed: Sequence[tuple[Alarm, Sequence[str]]], *, again: bool = False
    ) -> dict[str, int]:
        """Keep alarms for their channels; the disk has them, or is said not to take them.

        `again`: also where the channel has had them. Returns how many were given up for them, by
        channel.
        """
        with self._lock:
            keep = self._anew if again else self._fresh
            fresh = [kept for alarm, to in routed if (kept := keep(alarm, to))]
            self._unsaved |= {kept.number: kept for kept in fresh}
            self._save()
        given_up: dict[str, int] = {}
        for kept in fresh:
            for name in kept.to:
                lost = self.queues[name].add(kept)
                if lost:
                    given_up[name] = given_up.get(name, 0) + len(lost)
                    self._give_up(name, lost)
        return given_up

    def settle(self, name: str, settled: Sequence[Kept], state: str = DELIVERED) -> list[Kept]:
        """A channel is done with these; returns those that still waited for it."""
        waited = self.queues[name].remove(settled)
        with self._lock:
            for kept in waited:
                self._settle(name, kept, state)
            self._compact()
        return waited

    def set_aside(self, name: str, kept: Kept, reason: str) -> bool:
        """Keep an alarm that a channel refused where people find it. False: it was settled."""
        if not self.settle(name, [kept], REFUSED):
            return False
        try:
            with self._lock:
                self._refused.add(name, reason, kept.alarm)
        except OSError as error:
            log.warning("refused alarm is in the log only", reason=error.strerror)
        return True

    def tend(self) -> None:
        """From time to time: bring to the disk what is in memory only, look what to send again."""
        if time.monotonic() < self._save_at:
            return
        with self._lock:
            self._save_at = time.monotonic() + _SAVE_EVERY_S
            if self._unsaved:
                self._save()
            self._take_refused()

    def strangers(self) -> Mapping[str, int]:
        """Alarms that wait for channels which are not configured."""
        found: dict[str, int] = {}
        with self._lock:
            for kept in self._live.values():
                for name in kept.left - self.queues.keys():
                    found[name] = found.get(name, 0) + 1
        return found

    def close(self) -> None:
        """Close the file; nobody serves a queue any more."""
        with self._lock:
            self._journal.close()

    def _fresh(self, alarm: Alarm, to: Sequence[str]) -> Kept | None:
        """The alarm for those channels that have not had it."""
        had = self._remember(alarm, ())
        names = tuple(name for name in to if name not in had)
        had.update(names)
        return self._keep(alarm, names, set(names)) if names else None

    def _anew(self, alarm: Alarm, to: Sequence[str]) -> Kept | None:
        return self._keep(alarm, tuple(to), set(to))

    def _keep(self, alarm: Alarm, to: tuple[str, ...], left: set[str]) -> Kept:
        self._number += 1
        now = time.monotonic()
        rank, size = self._ranks.rank(alarm, now), len(alarm.model_dump_json()) + 32
        age = max(0.0, (datetime.now(UTC) - alarm.raised_at).total_seconds())
        kept = Kept(alarm, self._number, rank, size, now - age, to, left)
        self._live[kept.number] = kept
        self._live_bytes += kept.size
        return kept

    def _remember(self, alarm: Alarm, names: Iterable[str]) -> set[str]:
        key = (alarm.alarm_id, alarm.count, alarm.severity.value)
        had = self._told.setdefault(key, set())
        had.update(names)
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return had

    def _save(self) -> None:
        """Write what is in memory only. A disk that does not take it is said, once."""
        self._save_at = time.monotonic() + _SAVE_EVERY_S
        unsaved = [kept for kept in self._unsaved.values() if kept.left]
        try:
            if not self._journal.is_open:
                self._open()
            entries = [(k.alarm.model_dump_json().encode(), sorted(k.to)) for k in unsaved]
            offsets = self._journal.append(entries) if entries else []
        except OSError as error:
            self._tell_problem(error)
            return
        for kept, offset in zip(unsaved, offsets, strict=True):
            kept.to, kept.offset = tuple(sorted(kept.to)), offset
            self._mark_settled(kept)
        self._unsaved.clear()
        if self.problem:
            log.info("alarms are kept on disk again", folder=str(self._folder))
        self.problem = None

    def _mark_settled(self, kept: Kept) -> None:
        """Some channels took it while it was in memory only."""
        for name in set(kept.to) - kept.left:
            self._mark(name, kept, DELIVERED)

    def _tell_problem(self, error: OSError) -> None:
        if self.problem is None:
            log.error(
                "alarms cannot be kept on disk, only in memory until they are delivered",
                folder=str(self._folder),
                reason=error.strerror or str(error),
                setting="notifier.folder",
            )
        self.problem = f"notifier.folder: {self._folder}: {error.strerror or error}"

    def _settle(self, name: str, kept: Kept, state: str) -> None:
        kept.left.discard(name)
        kept.told = kept.told or state == DELIVERED
        self._mark(name, kept, state)
        if not kept.left and kept.number in self._live:
            del self._live[kept.number]
            self._unsaved.pop(kept.number, None)
            self._live_bytes -= kept.size

    def _mark(self, name: str, kept: Kept, state: str) -> None:
        if kept.offset is None:
            return
        try:
            self._journal.settle(kept.offset, kept.to.index(name), state)
        except OSError as error:  # the alarm may be sent again after the next start
            log.warning("a delivery could not be noted", reason=error.strerror or str(error))

    def _give_up(self, name: str, lost: Sequence[Kept]) -> None:
        with self._lock:
            for kept in lost:
                self._settle(name, kept, GIVEN_UP)
            self._compact()
        for kept in lost:
            log.error(
                "alarm given up: too many wait",
                channel=name,
                alarm=plain(kept.alarm.message),
                setting="notifier.delivery.undelivered_max_bytes",
            )

    def _compact(self) -> None:
        """Now and then, so that the cost of an alarm stays the same."""
        if not self._journal.wants_compaction(self._live_bytes):
            return
        live = {kept.offset: kept for kept in self._live.values() if kept.offset is not None}
        try:
            moved = self._journal.compact(live.__contains__)
        except OSError as error:
            log.warning("the outbox cannot be compacted", reason=error.strerror or str(error))
            return
        for offset, kept in live.items():
            kept.offset = moved[offset]

    def _load(self) -> None:
        try:
            self._open()
        except OSError as error:
            self._tell_problem(error)
            return
        self._take_former()

    def _open(self) -> None:
        for line in self._journal.open():
            self._restore(line)

    def _restore(self, line: Line) -> None:
        left = {name for name, state in zip(line.to, line.state, strict=True) if state == WAITING}
        self._remember(line.alarm, line.to)
        if not left:
            return
        kept = self._keep(line.alarm, line.to, left)
        kept.offset = line.offset
        for name in left & self.queues.keys():
            self._give_up(name, self.queues[name].add(kept))

    def _take_refused(self) -> None:
        """What channels refused and somebody wants to have sent again."""
        path = self._folder / AGAIN
        if not path.is_file() or not self._journal.is_open:
            return
        try:
            found = list(read_all(path))
            self.put(
                [(e.alarm, [e.channel]) for e in found if e.channel in self.queues], again=True
            )
            if self.problem is None:
                path.unlink()
            for each in found:
                if each.channel not in self.queues:  # it may be there at another start
                    self._refused.add(each.channel, each.reason, each.alarm)
        except OSError as error:
            log.warning("refused alarms cannot be sent again", reason=error.strerror)
            return
        log.info("refused alarms are sent again", alarms=len(found))

    def _take_former(self) -> None:
        """What an earlier version left undelivered."""
        for path in sorted((self._folder / _FORMER).glob("*.jsonl")):
            if path.stem not in self.queues:
                log.warning("alarms wait for a channel that is not there", file=str(path))
                continue
            try:
                self.put([(alarm, [path.stem]) for alarm in read_alarms(path)])
                if self.problem is None:
                    path.unlink()
            except OSError as error:
                log.warning("kept alarms cannot be read", file=str(path), reason=error.strerror)
