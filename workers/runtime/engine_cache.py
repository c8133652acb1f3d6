"""Exported graphs and chosen engines in a folder, so that the next load takes a moment.

A cache and nothing more: it may be deleted at any time, a damaged entry is removed, and a folder
that cannot be written costs only the time.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

MOST_BYTES = 256 << 20  # a graph takes 0.3 to 20 MB
_DIGEST = hashlib.sha256().digest_size
_PREFIXES = ("graph-", "choice-")  # nothing else in the folder is touched


def default_folder() -> Path:
    """$XDG_CACHE_HOME/stream-inspector, or under ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(home)) / "stream-inspector"  # noqa: PTH111  ~ may stay as it is


class EngineCache:
    """Entries are files: a digest, then the value."""

    def __init__(self, folder: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder or default_folder(), most_bytes

    def get(self, key: str) -> bytes | None:
        """The value, or None when it is not there or damaged."""
        path = self._folder / key
        try:
            stored = path.read_bytes()
            os.utime(path)  # used lately: the last to be removed
        except OSError:
            return None
        value = stored[_DIGEST:]
        if hashlib.sha256(value).digest() == stored[:_DIGEST]:
            return value
        _log.warning("removing a damaged entry of the engine cache", path=str(path))
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keep the value, then remove the entries used longest ago beyond the bound."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=self._folder, prefix=f"{key}.", delete=False
            ) as file:
                file.write(hashlib.sha256(value).digest() + value)
            Path(file.name).replace(self._folder / key)
            self._shrink()
        except OSError as error:
            _log.warning(
                "the engine cache cannot be written: each start takes longer; set engine_cache",
                folder=str(self._folder),
                error=str(error),
            )

    def _shrink(self) -> None:
        found = [path for path in self._folder.iterdir() if path.name.startswith(_PREFIXES)]
        used = sorted(((path.stat(), path) for path in found), key=lambda each: -each[0].st_mtime)
        total = 0
        for stat, path in used:
            total += stat.st_size
            if total > self._most:
                path.unlink(missing_ok=True)
