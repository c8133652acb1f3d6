"""Alarms that a channel did not take, kept on disk in order: one JSON-lines file per channel."""

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from schemas.alarm import Alarm
from workers.notifier.channels import append_line
from workers.runtime.errors import Fatal, SettingsError

log = structlog.get_logger(__name__)


class Undelivered:
    """A bounded queue on disk. When it is full the oldest alarm is given up, and that is said."""

    def __init__(self, folder: Path, channel: str, max_bytes: int) -> None:
        self._path = folder / f"{channel}.jsonl"
        self._channel, self._max_bytes = channel, max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"notifier.folder: {folder}: {error.strerror}; give a folder that can be written"
            ) from None
        self._alarms = deque(read_alarms(self._path))
        self._bytes = sum(map(_size, self._alarms))
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._alarms)

    def first(self) -> Alarm | None:
        """The oldest alarm. Any thread: it may be taken away while we look."""
        with suppress(IndexError):
            return self._alarms[0]
        return None

    def keep(self, alarm: Alarm) -> None:
        """Add an alarm; the disk has it when this returns. Raises Fatal when it has not."""
        if any(_same(alarm, kept) for kept in self._alarms):
            return  # made again from events that were read again
        self._alarms.append(alarm)
        self._bytes += _size(alarm)
        full = self._bytes > self._max_bytes
        while self._bytes > self._max_bytes and len(self._alarms) > 1:
            self._give_up(self._alarms[0])
            self._pop()
        try:
            if full:
                self._rewrite()
            else:
                append_line(self._path, _line(alarm))
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def delivered(self, count: int) -> None:
        """The channel took the oldest ones."""
        for _ in range(count):
            self._pop()
        try:
            self._rewrite()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _pop(self) -> None:
        self._bytes -= _size(self._alarms.popleft())

    def _give_up(self, alarm: Alarm) -> None:
        self.given_up += 1
        log.error(
            "alarm given up: too many are undelivered",
            channel=self._channel,
            alarm=alarm.message,
            setting="notifier.delivery.undelivered_max_bytes",
        )

    def _rewrite(self) -> None:
        """Replace the file as a whole: a crash leaves the old one or the new one."""
        if not self._alarms:
            self._path.unlink(missing_ok=True)
            return
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.writelines(_line(alarm) + b"\n" for alarm in self._alarms)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def read_alarms(path: Path) -> list[Alarm]:
    """The alarms of a file. A line that cannot be read is named and left out."""
    if not path.exists():
        return []
    alarms = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            alarms.append(Alarm.model_validate_json(line))
        except ValidationError:
            log.warning("undelivered alarm cannot be read", file=str(path), line=number)
    return alarms


def _same(one: Alarm, other: Alarm) -> bool:
    return (one.alarm_id, one.count) == (other.alarm_id, other.count)


def _line(alarm: Alarm) -> bytes:
    return alarm.model_dump_json().encode()


def _size(alarm: Alarm) -> int:
    return len(_line(alarm)) + 1


def _unwritable(path: Path, error: OSError) -> Fatal:
    return Fatal(f"an undelivered alarm cannot be kept: {path}: {error.strerror} (notifier.folder)")
