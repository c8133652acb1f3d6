"""Tells once what was decided about a camera's pictures: their orientation, alpha, unused bits."""

import threading
from dataclasses import dataclass, field

import structlog

from stream_inspector.image.formats.traits import Traits

_log = structlog.get_logger(__name__)

_CAMERAS = 1000  # that are remembered; those beyond are not told of
_ENOUGH = 50  # frames after which bits that none of them used are told
_ALL_BITS = 16


@dataclass(slots=True)
class _Seen:
    told: set[str] = field(default_factory=set)
    deep: int = 0  # frames with samples of 16 bits
    bits: int = 0  # the most that one of them used


class OddPictures:
    """Safe to call from several threads."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def look(self, camera: str, category: str, traits: Traits, upright: bool | None) -> None:
        """Log what is odd, once for each camera."""
        with self._lock:
            new = self._new(camera, traits)
        for what in new:
            _log.warning(
                "a camera's pictures are not plain",
                camera_id=camera,
                category=category,
                what=what,
                seen="upright" if upright else "as stored",
                see="docs/categories.md",
            )

    def _new(self, camera: str, traits: Traits) -> list[str]:
        if camera not in self._cameras and len(self._cameras) >= _CAMERAS:
            return []
        seen = self._cameras.setdefault(camera, _Seen())
        found = [what for what in _of_one(traits) if what not in seen.told]
        if traits.bits is not None:
            seen.deep, seen.bits = seen.deep + 1, max(seen.bits, traits.bits)
            if seen.deep == _ENOUGH and seen.bits < _ALL_BITS:
                found.append(f"at most {seen.bits} of 16 bits are used (view.bits)")
        seen.told.update(found)
        return found


def _of_one(traits: Traits) -> list[str]:
    said = {
        "an EXIF orientation (view.orientation)": traits.orientation != 1,
        "transparent pixels, whose alpha is dropped": traits.alpha,
        "CMYK, turned into RGB without a profile": traits.inks,
        "further pictures, which nobody looks at": traits.further > 0,
    }
    return [what for what, odd in said.items() if odd]
