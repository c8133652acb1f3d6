"""A folder into which another program writes its pictures: each is sent once it is whole.

Looked at again and again, since network shares tell nobody what changes. A file is whole when two
looks found it alike. It is moved into `sent/` when the broker has its frame: a crash in between
sends it again, and loses nothing.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from workers.camera.identity import beside_of
from workers.camera.settings import PartSettings
from workers.camera.sources import Refusal, Shot, Stop, Taken, read_shot
from workers.runtime.datasets.files import SUFFIXES
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)

SENT, REFUSED = "sent", "refused"
_State = tuple[int, int, int]  # size, time of change, inode


def watched_shots(
    folder: Path, max_bytes: int, settle_s: float, stop: Stop, part: PartSettings
) -> Iterator[Taken]:
    """Until a stop, the oldest first. None: nothing came. Raises SettingsError."""
    if not folder.is_dir():
        raise SettingsError(f"camera.source: watch:{folder}: no such folder")
    before: dict[Path, _State] = {}
    taken: dict[Path, _State] = {}
    company = Company(part)
    while not stop.is_set():
        now = _look(folder)
        taken = {p: s for p, s in taken.items() if now.get(p) == s}  # others moved, or are new
        whole = [p for p, s in now.items() if before.get(p) == s and s[0] and p not in taken]
        whole = company.arrived(whole)
        for path in sorted(whole, key=lambda each: (now[each][1], each.name)):
            taken[path] = now[path]
            shot = read_shot(path, max_bytes)
            if isinstance(shot, Refusal):
                after_refusing(path, part.sidecar)
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


class Company:
    """Pictures with the file beside them that says who the part is."""

    def __init__(self, part: PartSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._suffix, self._wait_s, self._clock = part.sidecar, part.sidecar_wait_s, clock
        self._since: dict[Path, float] = {}
        self._before: dict[Path, _State] = {}

    def arrived(self, pictures: list[Path]) -> list[Path]:
        """Those whose sidecar is whole, too, or did not come in time."""
        if self._suffix is None:
            return pictures
        now_s = self._clock()
        self._since = {each: self._since.get(each, now_s) for each in pictures}
        now = {each: _state(beside_of(each, self._suffix)) for each in pictures}
        before, self._before = self._before, {p: s for p, s in now.items() if s is not None}
        return [
            each
            for each in pictures
            if (now[each] and before.get(each) == now[each])
            or now_s - self._since[each] >= self._wait_s
        ]


def after_sending(shot: Shot, sidecar: str | None = None) -> None:
    """The broker has its frame."""
    if shot.path is not None:
        _put_both(Path(shot.path), sidecar, SENT)


def after_refusing(picture: Path, sidecar: str | None) -> None:
    """It cannot be sent."""
    _put_both(picture, sidecar, REFUSED)


def _put_both(picture: Path, sidecar: str | None, where: str) -> None:
    put_aside(picture, where)
    if sidecar is not None:
        put_aside(beside_of(picture, sidecar), where)


def _state(path: Path) -> _State | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns, told.st_ino


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
