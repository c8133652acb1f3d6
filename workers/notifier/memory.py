"""What the watch remembers between two starts, as a file that is replaced as a whole."""

import json
import os
from pathlib import Path
from typing import Any

import structlog

from workers.runtime.errors import Fatal

log = structlog.get_logger(__name__)

NOTHING_KNOWN: dict[str, Any] = {"positions": [], "cameras": []}


class WatchMemory:
    """`watch.json` in the notifier's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "watch.json"

    def load(self) -> dict[str, Any] | None:
        """The last snapshot, or None. An unusable file costs the memory, not the start."""
        try:
            content = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("cameras are watched anew", file=str(self._path), reason=str(error))
            return None
        return content if isinstance(content, dict) else None

    def save(self, snapshot: dict[str, Any]) -> None:
        """Replace the file. Raises Fatal when the disk does not take it."""
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                json.dump(snapshot, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise Fatal(f"{self._path}: {error.strerror} (setting notifier.folder)") from error
