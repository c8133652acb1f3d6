"""Exported graphs and chosen engines in a folder, so that the next load takes a moment.

A cache and nothing more: it may be deleted at any time, a damaged entry is removed, and a folder
that cannot be written costs only the time.
"""

import contextlib
import hashlib
import os
import stat
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
        """The value, or None when it is not there or nothing that we have put there."""
        path = self._folder / key
        try:
            stored = self._read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("not read from the engine cache", path=str(path), error=str(error))
            return None
        value = stored[_DIGEST:]
        if stored and hashlib.sha256(value).digest() == stored[:_DIGEST]:
            with contextlib.suppress(OSError):  # a cache that came with the image is not written
                os.utime(path)  # used lately: the last to be removed
            return value
        _log.warning("removing a damaged entry of the engine cache", path=str(path))
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def _read(self, path: Path) -> bytes:
        """A file of ours; what is too large for one is damaged. Raises OSError."""
        # a pipe would be waited for
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("no regular file")
            stored = file.read(self._most + 1)
        return stored if len(stored) <= self._most else b""

    def put(self, key: str, value: bytes) -> None:
        """Keep the value, then remove the entries used longest ago beyond the bound."""
        try:
            self._write(key, hashlib.sha256(value).digest() + value)
            self._shrink()
        except OSError as error:
            _log.warning(
                "the engine cache cannot be written: each start takes longer; set engine_cache",
                folder=str(self._folder),
                error=str(error),
            )

    def _write(self, key: str, stored: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=f"{key}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(stored)
            Path(name).replace(self._folder / key)
        except OSError:  # half a file would fill the disk further
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def _shrink(self) -> None:
        found = [path for path in self._folder.iterdir() if path.name.startswith(_PREFIXES)]
        used = sorted(filter(None, map(_last_used, found)), reverse=True)
        total = 0
        for _, size, path in used:
            total += size
            if total > self._most:
                with contextlib.suppress(OSError):  # another process was faster, or it is not ours
                    path.unlink()


def _last_used(path: Path) -> tuple[float, int, Path] | None:
    """When, and its bytes; None when it is no file, or gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_mtime, found.st_size, path) if stat.S_ISREG(found.st_mode) else None
