"""The camera's own book, `sent.jsonl`: one line per frame, written before the frame is sent.

Whoever compares it with the outcomes knows what was lost without trusting the inspector.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.camera.spool import Captured
from workers.runtime.errors import SettingsError


class SentLog:
    """Appends lines and hands them to the operating system before it returns."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"camera.sent_log: {path}: {error.strerror}") from None

    def write(self, batch: Iterable[Captured]) -> None:
        """Note the frames that are about to be sent."""
        self._file.write("".join(line(item) for item in batch))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


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
    }
    return json.dumps(content, ensure_ascii=False) + "\n"
