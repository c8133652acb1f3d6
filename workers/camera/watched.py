"""A folder into which another program writes its pictures: each is sent once it is whole.

Looked at again and again, since network shares tell nobody what changes. A file is whole when two
looks, and one behind its reading, found it alike. It is moved into `sent/` when the broker has its
frame: a crash in between sends it again, and loses nothing.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from workers.camera.identity import beside_of
from workers.camera.settings import PartSettings
from workers.camera.sources import Missed, Refusal, Shot, Stop, Taken, read_shot
from workers.runtime.datasets.files import SUFFIXES
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)

SENT, REFUSED = "sent", "refused"
_State = tuple[int, int, int]  # size, time of change, inode
_EMPTY_S = 30.0  # a file that is empty for so long has lost its writer


def watched_shots(
    folder: Path,
    max_bytes: int,
    settle_s: float,
    stop: Stop,
    part: PartSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Taken]:
    """Until a stop, the oldest first. None: nothing came. Raises SettingsError."""
    if not folder.is_dir():
        raise SettingsError(f"camera.source: watch:{folder}: no such folder")
    seen, company = Seen(clock), Company(part, clock)
    while not stop.is_set():
        now = _look(folder)
        for path in company.arrived(seen.whole(now)) if now is not None else ():
            yield from _taken(path, max_bytes, part, seen)
        yield None
        stop.wait(settle_s)


def _taken(path: Path, max_bytes: int, part: PartSettings, seen: "Seen") -> Iterator[Taken]:
    """A whole file; nothing where it is another one by now: then it is looked at anew.

    Looked at behind the reading, which a share answers afresh: of its own it may say for seconds
    what it knew before.
    """
    state = seen.state(path)
    shot = read_shot(path, max_bytes) if state[0] else Refusal(str(path), "is empty")
    if _state(path) != state:
        return
    seen.take(path)
    if isinstance(shot, Refusal):
        after_refusing(path, part.sidecar)
    yield shot
    if isinstance(shot, Refusal):
        yield Missed(1, REFUSED)


class Seen:
    """What lay there, how long it did not change, and what was taken of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[Path, tuple[_State, float]] = {}  # and since when it is so
        self._taken: dict[Path, _State] = {}

    def whole(self, now: dict[Path, _State]) -> list[Path]:
        """Those that two looks found alike and nobody took, the oldest first."""
        at_s, before = self._clock(), self._known
        alike = {p: known for p, known in before.items() if now.get(p) == known[0]}
        self._known = {p: alike.get(p, (s, at_s)) for p, s in now.items()}
        self._taken = {p: s for p, s in self._taken.items() if now.get(p) == s}
        found = [p for p in alike if p not in self._taken]
        ready = [p for p in found if now[p][0] or at_s - alike[p][1] >= _EMPTY_S]
        return sorted(ready, key=lambda path: (now[path][1], path.name))

    def state(self, path: Path) -> _State:
        """As the newest look found it."""
        return self._known[path][0]

    def take(self, path: Path) -> None:
        """It is not taken again while it is the same."""
        self._taken[path] = self._known[path][0]


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
    except OSError as error:
        gone = isinstance(error, FileNotFoundError) and path.parent.is_dir()
        if not gone:  # else its writer took it back
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
    """None: it is not there, or nobody can say."""
    try:
        return _of(path)
    except OSError:
        return None


def _of(path: Path) -> _State | None:
    """None: it is not there. Raises OSError."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_size, told.st_mtime_ns, told.st_ino


def _look(folder: Path) -> dict[Path, _State] | None:
    """The pictures in it; None: it cannot be read now, a share that is away."""
    try:
        names = [path for path in folder.iterdir() if not path.name.startswith(".")]
        found = {path: _of(path) for path in names if path.suffix.lower() in SUFFIXES}
    except OSError as error:
        log.warning("folder cannot be read", folder=str(folder), reason=error.strerror)
        return None
    return {path: state for path, state in found.items() if state is not None}
