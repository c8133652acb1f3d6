"""What was answered, on disk: written before a channel is asked, so that no start answers anew.

Two files of bounded size; the older one is replaced when the newer one is full. They are also the
record of what the plant was told.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

import structlog

from schemas.part import PartRef
from workers.gate.answers import Answer, Decision, Noted
from workers.gate.parts import PartKey
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)

FILES = ("answers.1.jsonl", "answers.jsonl")  # older, newer
_MOST_BYTES = 4 * 2**20


class Journal:
    """The answers of one gate. A context manager: the folder is its own meanwhile."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._file: IO[str] | None = None
        self._lock: IO[str] | None = None
        self.failing = False  # the disk does not take what was answered

    def __enter__(self) -> Self:
        """Raises SettingsError where the folder cannot be used, or another gate uses it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = self._open()
        except BlockingIOError:
            raise SettingsError(
                f"gate.folder: {self._folder}: another gate uses it; each needs its own"
            ) from None
        except OSError as error:
            raise SettingsError(f"gate.folder: {self._folder}: {error.strerror}") from None
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                with suppress(OSError):
                    file.close()

    def note(self, answers: Iterable[Answer]) -> None:
        """Write them down. A disk that does not take them costs the memory, not the answers."""
        text = "".join(f"{answer.text()}\n" for answer in answers)
        try:
            self._turn()
            if self._file is not None:
                self._file.write(text)
                self._file.flush()
            self.failing = False
        except OSError as error:
            if not self.failing:
                log.error(  # noqa: TRY400  (a full disk needs no stack)
                    "answers are not written down", folder=str(self._folder), why=str(error)
                )
            self.failing = True

    def _turn(self) -> None:
        """Begin a new file when this one is full."""
        older, newer = (self._folder / name for name in FILES)
        if self._file is None or newer.stat().st_size > self._most_bytes:
            if self._file is not None:
                self._file.close()
                newer.replace(older)
            self._file = self._open()

    def _open(self) -> IO[str]:
        newer = self._folder / FILES[1]
        torn = newer.exists() and newer.read_bytes()[-1:] not in (b"\n", b"")
        file = newer.open("a", encoding="utf-8")
        file.write("\n" if torn else "")
        return file


def read(folder: Path) -> Iterator[Noted]:
    """What was answered, oldest first; lines that cannot be read are passed over."""
    for name in FILES:
        with suppress(FileNotFoundError):
            for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines():
                noted = _noted(line)
                if noted is not None:
                    yield noted


def _noted(line: str) -> Noted | None:
    try:
        said = json.loads(line)
        captured_at = datetime.fromisoformat(said["captured_at"]).astimezone(UTC)
        key = PartKey(str(said["frame_id"]), str(said["start"]), int(said["part"]), captured_at)
        decision = Decision(said["decision"])
        rest = bool(said["reject"]), str(said["reason"]), bool(said["late"])
        who = said.get("identity")
        known = PartRef.model_validate(who) if who else None
        return Noted(str(said["camera"]), key, decision, *rest, known)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None  # torn by a crash
