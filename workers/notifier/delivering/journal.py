r"""The outbox on disk: one JSON line an alarm, and a letter for each channel that it is for.

    {"state":"wd","to":["mail","topic"],"alarm":{...}}

A channel's letter is overwritten where it stands: w waiting, d delivered, r refused, g given up.
So settling an alarm costs one byte whatever else waits, works on a full disk, and is whole or not
at all. A file and not SQLite because of that full disk: SQLite needs room to delete.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog
from pydantic import ValidationError

from schemas.alarm import Alarm
from workers.runtime.errors import SettingsError
from workers.runtime.host.regular_file import open_own
from workers.runtime.json_text import parse

log = structlog.get_logger(__name__)

WAITING, DELIVERED, REFUSED, GIVEN_UP = "w", "d", "r", "g"
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
_HEAD = b'{"state":"'
_HISTORY_BYTES = 256 * 1024  # of settled lines that a compaction leaves: what was told lately
_COMPACT_BYTES = 1024 * 1024  # a smaller file is left alone


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the journal."""

    offset: int
    alarm: Alarm
    to: tuple[str, ...]
    state: str
    size: int


class Journal:
    """An append-only file. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._end = 0

    def open(self) -> list[Line]:
        """Open or make the file; returns its lines. Raises OSError, SettingsError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise SettingsError(
                f"notifier.folder: {self.path.parent} is no folder; give one that can be written"
            ) from None
        descriptor = open_own(self.path, os.O_RDWR)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            _lock(descriptor)
        except OSError:
            self.close()
            raise
        lines = list(read_lines(self.path))
        self._end = os.fstat(descriptor).st_size
        return lines

    @property
    def is_open(self) -> bool:
        """Whether the file could be opened."""
        return self._file is not None

    def append(self, entries: Sequence[tuple[bytes, Sequence[str]]]) -> list[int]:
        """Write alarms (as JSON) for channels; the disk has them. Raises OSError: none is there."""
        file = self._opened()
        start = self._end + (1 if self._torn() else 0)
        lines = [written(alarm, to) for alarm, to in entries]
        offsets = [start + sum(map(len, lines[:number])) for number in range(len(lines))]
        data = b"\n" * (start - self._end) + b"".join(lines)
        try:
            _write_all(file.fileno(), data, self._end)
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.fileno(), self._end)
            raise
        self._end += len(data)
        return offsets

    def settle(self, offset: int, channel: int, state: str) -> None:
        """Overwrite a channel's letter in place. Raises OSError."""
        os.pwrite(self._opened().fileno(), state.encode(), offset + len(_HEAD) + channel)

    def wants_compaction(self, live_bytes: int) -> bool:
        """Whether most of the file is settled."""
        return self._end > _COMPACT_BYTES + 2 * live_bytes

    def compact(self, is_live: Callable[[int], bool]) -> dict[int, int]:
        """Leave settled lines out, but for the newest; returns old -> new offsets.

        The file is replaced as a whole: a crash leaves the old or the new one. Raises OSError.
        """
        fresh = self.path.with_suffix(".new")
        moved, end = {}, 0
        with self.path.open("rb") as old, fresh.open("wb") as new:
            offset = 0
            for line in old:
                if is_live(offset) or offset >= self._end - _HISTORY_BYTES:
                    moved[offset] = end
                    end += new.write(line)
                offset += len(line)
            new.flush()
            os.fsync(new.fileno())
        fresh.replace(self.path)
        self.close()
        self._file = self.path.open("r+b", buffering=0)
        _lock(self._file.fileno())
        self._end = end
        return moved

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise OSError("the outbox is not open")
        return self._file

    def _torn(self) -> bool:
        """Whether a crash left a line without its end."""
        last = os.pread(self._opened().fileno(), 1, self._end - 1) if self._end else b"\n"
        return last != b"\n"


def _lock(descriptor: int) -> None:
    """Two notifiers would write over each other's lines. Raises OSError where one is there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(
            errno.EBUSY, "another notifier uses it; give each a folder of its own"
        ) from None
    except OSError as error:  # a file system without locks
        if error.errno not in _NO_LOCKS:
            raise


def written(alarm: bytes, to: Sequence[str]) -> bytes:
    """A line, with every channel waiting."""
    names = json.dumps(list(to)).encode()
    state = WAITING.encode() * len(to)
    return _HEAD + state + b'","to":' + names + b',"alarm":' + alarm + b"}\n"


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a journal. One that cannot be read is named and left out."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _read(line, offset)
            except (ValueError, KeyError, TypeError):
                log.warning("kept alarm cannot be read", file=str(path), line=number)
            offset += len(line)


def read_alarms(path: Path) -> list[Alarm]:
    """A file of bare alarms, one a line. A line that cannot be read is named and left out."""
    alarms = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            alarms.append(Alarm.model_validate_json(line))
        except ValidationError:
            log.warning("kept alarm cannot be read", file=str(path), line=number)
    return alarms


def _read(line: bytes, offset: int) -> Line:
    content = parse(line)
    state, to = str(content["state"]), tuple(map(str, content["to"]))
    if len(state) != len(to) or not line.startswith(_HEAD):
        raise ValueError("a letter for each channel")
    return Line(offset, Alarm.model_validate(content["alarm"]), to, state, len(line))


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
