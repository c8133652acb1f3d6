"""Who the part of a picture is, from everything that was told of it.

Settings say it for all parts, a file of the plant until it changes, the picture's name and the
file beside it for one, a device's counter gives the id. What cannot be used costs no frame.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from schemas.part import TEXTS, PartRef, part_of
from workers.camera.settings import PartSettings
from workers.camera.sources import Shot
from workers.runtime.host.regular_file import read_regular
from workers.runtime.json_text import parse

log = structlog.get_logger(__name__)

_MOST_BYTES = 64 * 1024  # of a JSON file that says who a part is
_LIMIT = "64 KiB for a file that says who a part is"
Said = dict[str, Any]


class Identity:
    """Puts together what is known. `unusable` counts what could not be used."""

    def __init__(self, settings: PartSettings) -> None:
        self._settings = settings
        self._fixed = _fixed(settings)
        self._plant: Said = {}
        self._plant_state: tuple[int, int, int] | None = None
        self._pattern = re.compile(settings.pattern) if settings.pattern else None
        self.unusable = 0

    def of(self, shot: Shot) -> PartRef | None:
        """Who the part of this picture is; None where nobody said."""
        counted: Said = {} if shot.count is None else {"id": str(shot.count)}
        said = _merged(counted, self._fixed, self._of_plant(), self._of_file(shot.path))
        part = part_of(said, said.get("attributes"))
        if part is not None and part.dropped:
            self._tell(", ".join(part.dropped), shot)
        return part

    def _of_plant(self) -> Said:
        """What the plant's file says; what it said before while it cannot be read."""
        file = self._settings.file
        if file is None:
            return {}
        try:
            found = file.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            state = None
        if state is not None and state != self._plant_state:
            said = self._read(file)
            if said is not None:
                self._plant, self._plant_state = said, state
        return self._plant

    def _of_file(self, path: str | None) -> Said:
        if path is None:
            return {}
        named = self._pattern.search(Path(path).as_posix()) if self._pattern else None
        beside: Said = {}
        if self._settings.sidecar is not None:
            beside = self._read(beside_of(Path(path), self._settings.sidecar)) or {}
        return _merged(_sorted(named.groupdict()) if named else {}, beside)

    def _read(self, file: Path) -> Said | None:
        """A JSON object; None where there is none."""
        try:
            said = parse(read_regular(file, _MOST_BYTES, _LIMIT))
        except (OSError, ValueError) as error:
            self.unusable += 1
            why = getattr(error, "strerror", None) or str(error)
            log.warning("a file does not say who the part is", file=str(file), reason=why)
            return None
        if isinstance(said, dict):
            return _sorted(said)
        self.unusable += 1
        log.warning("a file does not say who the part is", file=str(file), reason="no JSON object")
        return None

    def _tell(self, what: str, shot: Shot) -> None:
        self.unusable += 1
        log.warning("who the part is, is not wholly known", left_out=what, file=shot.path)


def beside_of(picture: Path, suffix: str) -> Path:
    """The file that says who the part of a picture is."""
    return picture.with_suffix(suffix)


def _fixed(settings: PartSettings) -> Said:
    return {name: getattr(settings, name) for name in TEXTS} | {"attributes": settings.attributes}


def _sorted(said: Mapping[str, Any]) -> Said:
    """Names that are ours, and the others as attributes."""
    ours = {name: _text(said[name]) for name in TEXTS if name in said}
    given = said.get("attributes")
    nested = given if isinstance(given, Mapping) else {}
    others = {name: said[name] for name in said if name not in (*TEXTS, "attributes")}
    return ours | {"attributes": {**nested, **others}}


def _text(value: Any) -> Any:
    """A number where a text is meant: MES write serial numbers so."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _merged(*said: Said) -> Said:
    """What comes later wins; what says nothing changes nothing."""
    found: Said = {"attributes": {}}
    for each in said:
        found["attributes"] = found["attributes"] | dict(each.get("attributes", {}))
        found |= {k: v for k, v in each.items() if k != "attributes" and v not in (None, "")}
    return found
