"""A second version beside the active one: what it looks at, whether it decides, and its guards."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self

from workers.runtime.names import is_name

_WHOLE = 2**64
_LONGEST = 256  # characters of a camera's id
_MOST = 100  # cameras


class Mode(StrEnum):
    """What a version on trial does."""

    SHADOW = "shadow"  # scores beside the active one, and decides nothing
    CANARY = "canary"  # decides, alone, about the frames that it takes


@dataclass(frozen=True, slots=True)
class Trial:
    """A version on trial. Every frame is always taken or never, however often it is delivered."""

    version: str
    mode: Mode
    share: float = 1.0  # of the frames, or of those cameras' frames
    cameras: tuple[str, ...] = ()  # ids or patterns; empty: all
    most_alarms: float | None = None  # guard: share of frames that may alarm more than before
    least_frames: int = 500  # guard: fewer decide nothing

    def takes(self, camera: str, frame_id: str) -> bool:
        """Whether a frame is one of its."""
        if self.cameras and not any(fnmatchcase(camera, each) for each in self.cameras):
            return False
        digest = hashlib.sha256(f"{self.version}\x1f{camera}\x1f{frame_id}".encode()).digest()
        return int.from_bytes(digest[:8]) / _WHOLE < self.share

    def __str__(self) -> str:
        of = f" of {', '.join(self.cameras)}" if self.cameras else ""
        return f"{self.mode.value} {self.version}, {self.share:.3g} of the frames{of}"

    @classmethod
    def read(cls, plain: Any) -> Self:
        """As it was written; what it says beyond ours is ignored. Raises ValueError."""
        if not isinstance(plain, Mapping):
            raise ValueError("a trial is a mapping")  # noqa: TRY004 - of a file's content
        try:
            given = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
            cameras = tuple(given.pop("cameras", ()))
            made = cls(**{**given, "mode": Mode(given["mode"])}, cameras=cameras)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a trial of this version of the software: {error!r}") from None
        made._check()
        return made

    def _check(self) -> None:
        named = all(isinstance(each, str) and 0 < len(each) <= _LONGEST for each in self.cameras)
        guard = self.most_alarms
        sound = (
            isinstance(self.version, str)
            and is_name(self.version)
            and _is_share(self.share)
            and self.share > 0
            and named
            and len(self.cameras) <= _MOST
            and (guard is None or _is_share(guard))
            and type(self.least_frames) is int
            and self.least_frames > 0
        )
        if not sound:
            raise ValueError("its values are not those of a trial")


def _is_share(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value <= 1  # type: ignore[operator]
