"""Files that are there whole or not at all."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file, and the folders above it. What stood there stays until the new one is whole.

    A device or a pipe is written into. Raises OSError with the file's name; nothing half stays.
    """
    encoded = data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace")
    target = Path(os.path.realpath(path))  # through a link
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(encoded)
        else:
            _replace(target, encoded)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    short = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]  # a name may be full already
    partial = target.with_name(f".{short}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
