"""Files that others put there: read when they are regular and not too long, else refused.

A named pipe, a device or a socket under a picture's name would hang its reader or never end.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path, max_bytes: int, setting: str) -> BinaryIO:
    """A file for reading. Raises OSError, whose `strerror` says that it is none, or too long.

    `setting` is the name of the limit.
    """
    _check(path, path.stat(), max_bytes, setting)  # before it is opened: some devices act then
    descriptor = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(descriptor), max_bytes, setting)  # it may be another one by now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int, setting: str) -> bytes:
    """A file's bytes. Raises OSError like `open_regular`."""
    with open_regular(path, max_bytes, setting) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:  # it grew meanwhile
        raise _too_long(path, len(data), max_bytes, setting)
    return data


def open_own(path: Path, flags: int) -> int:
    """A file that a process keeps, opened or made with these flags of `os.open`; a descriptor.

    Something else under its name (a named pipe would hang its writer) is refused.
    Raises OSError.
    """
    if path.exists():  # before it is opened: some devices act then
        _check_kind(path, path.stat())
    always = os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | always, 0o640)
    try:
        _check_kind(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, found: os.stat_result, max_bytes: int, setting: str) -> None:
    _check_kind(path, found)
    if found.st_size > max_bytes:
        raise _too_long(path, found.st_size, max_bytes, setting)


def _check_kind(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"is {kind}, no regular file", str(path))


def _too_long(path: Path, size: int, max_bytes: int, setting: str) -> OSError:
    text = f"has {size} bytes; the limit is {max_bytes} (setting {setting})"
    return OSError(errno.EFBIG, text, str(path))
