"""The camera's own book, `sent.jsonl`: one line per frame, written before the frame is sent.

Whoever compares it with the outcomes knows what was lost without trusting the inspector.
"""

import contextlib
import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from workers.camera.sending.spool import Captured
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)


class SentLog:
    """Appends lines and hands them to the operating system before it returns.

    A disk that takes none, e.g. a full one, costs lines of the book and no frame: the part on the
    line has to be inspected. What is missing is told, and counted in `missing`.
    """

    def __init__(self, path: Path) -> None:
        """Raises SettingsError."""
        self._path = path
        self.missing = 0  # frames that were sent without a line
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)  # nothing that fails is tried again later
        except OSError as error:
            raise SettingsError(f"camera.sent_log: {path}: {error.strerror}") from None

    def write(self, batch: Sequence[Captured]) -> None:
        """Note the frames that are about to be sent."""
        try:
            self._append("".join(line(item) for item in batch).encode("utf-8", "backslashreplace"))
        except OSError as error:
            if not self.missing:
                what = {"path": str(self._path), "reason": error.strerror}
                log.warning("frames are sent without a line in the sent log", **what)
            self.missing += len(batch)

    def _append(self, data: bytes) -> None:
        """All or nothing: a torn line would spoil the next one."""
        end = os.fstat(self._file.fileno()).st_size
        if self._file.write(data) != len(data):
            with contextlib.suppress(OSError):  # a pipe has no end to cut
                os.truncate(self._file.fileno(), end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self.missing:
            log.error("the sent log lacks frames", path=str(self._path), frames=self.missing)


def line(item: Captured) -> str:
    """One frame as a JSON line."""
    frame, shot = item.frame, item.shot
    content = {
        "frame_id": frame.frame_id,
        "camera_id": frame.camera_id,
        "epoch": frame.epoch,
        "sequence": frame.sequence,
        "category": frame.category,
        "captured_at": frame.captured_at.isoformat(),
        "truth": shot.truth,
        "path": shot.path,
        "index": shot.index,
        "part": frame.part and frame.part.model_dump(exclude_defaults=True),
    }
    return json.dumps(content, ensure_ascii=False) + "\n"
