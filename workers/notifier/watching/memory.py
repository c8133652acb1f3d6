"""What the watch remembers between two starts, as a file that is replaced as a whole.

It is advice: a disk that is full or read-only costs the memory, never the process.
"""

import json
import os
from pathlib import Path
from typing import Any

import structlog

from workers.runtime.json_text import parse

log = structlog.get_logger(__name__)

_MOST = 64 * 2**20  # characters; a camera has less than one thousand


class WatchMemory:
    """`watch.json` in the notifier's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "watch.json"
        self.failing = False  # the disk does not take it

    def load(self) -> dict[str, Any] | None:
        """The last snapshot, or None when there is none that can be used."""
        try:
            if not self._path.is_file():  # a pipe or a device would never end
                return None
            with self._path.open() as file:
                content = parse(file.read(_MOST))
        except (OSError, ValueError, MemoryError) as error:
            log.warning("cameras are watched anew", file=str(self._path), reason=str(error)[:200])
            return None
        if isinstance(content, dict) and all(
            isinstance(content.get(name, []), list)
            for name in ("positions", "cameras", "never_heard", "stopped")
        ):
            return content
        log.warning("cameras are watched anew", file=str(self._path), reason="damaged")
        return None

    def save(self, snapshot: dict[str, Any]) -> None:
        """Replace the file; says once that the disk does not take it, and once that it does."""
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w") as file:
                json.dump(snapshot, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            self._tell(error)
            return
        if self.failing:
            log.info("the watch's memory is written again", file=str(self._path))
        self.failing = False

    def _tell(self, error: OSError) -> None:
        if not self.failing:
            log.error(
                "the watch's memory is not written: after a restart cameras are watched anew",
                file=str(self._path),
                reason=error.strerror,
                setting="notifier.folder",
            )
        self.failing = True
