"""A folder into which another program writes its pictures: each is sent once it is whole.

Looked at again and again, since network shares tell nobody what changes. A file is whole when two
looks found it alike. It is moved into `sent/` when the broker has its frame: a crash in between
sends it again, and loses nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import structlog

from workers.camera.sources import Refusal, Shot, Stop, Taken, read_shot
from workers.runtime.datasets.files import SUFFIXES
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)

SENT, REFUSED = "sent", "refused"
_State = tuple[int, int, int]  # size, time of change, inode


def watched_shots(folder: Path, max_bytes: int, settle_s: float, stop: Stop) -> Iterator[Taken]:
    """Until a stop, the oldest first. None: nothing came. Raises SettingsError."""
    if not folder.is_dir():
        raise SettingsError(f"camera.source: watch:{folder}: no such folder")
    before: dict[Path, _State] = {}
    taken: dict[Path, _State] = {}
    while not stop.is_set():
        now = _look(folder)
        taken = {p: s for p, s in taken.items() if now.get(p) == s}  # others moved, or are new
        whole = [p for p, s in now.items() if before.get(p) == s and s[0] and p not in taken]
        for path in sorted(whole, key=lambda each: (now[each][1], each.name)):
            taken[path] = now[path]
            shot = read_shot(path, max_bytes)
            if isinstance(shot, Refusal):
                put_aside(path, REFUSED)
            yield shot
        before = now
        yield None
        stop.wait(settle_s)


def put_aside(path: Path, where: str) -> None:
    """Move a file into a sub-folder of its own; one of its name that is there gets another."""
    target = path.parent / where / path.name
    try:
        target.parent.mkdir(exist_ok=True)
        number = 0
        while target.exists():
            number += 1
            target = target.with_name(f"{path.stem}-{number}{path.suffix}")
        path.rename(target)
    except FileNotFoundError:
        return  # its writer took it back
    except OSError as error:
        log.warning("file stays in its folder", file=str(path), reason=error.strerror)


def after_sending(shot: Shot) -> None:
    """The broker has its frame."""
    if shot.path is not None:
        put_aside(Path(shot.path), SENT)


def _look(folder: Path) -> dict[Path, _State]:
    """The pictures in it; a share that is away has none."""
    found: dict[Path, _State] = {}
    try:
        for path in folder.iterdir():
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                told = path.stat()
                found[path] = told.st_size, told.st_mtime_ns, told.st_ino
    except OSError as error:
        log.warning("folder cannot be read", folder=str(folder), reason=error.strerror)
    return found
