"""Which frames are meant. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from schemas.frame import Frame
from schemas.outcome import FrameRef
from workers.runtime.part_filter import ANY_PART, PartFilter

_WHOLE = 2**64


@dataclass(frozen=True, slots=True)
class Selection:
    """All conditions that are given have to hold."""

    cameras: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    since: datetime | None = None  # by the time of capture
    until: datetime | None = None
    share: float = 1.0
    parts: PartFilter = ANY_PART

    def takes(self, frame: Frame | FrameRef) -> bool:
        """Whether a frame is meant."""
        return all(
            (
                not self.cameras or frame.camera_id in self.cameras,
                not self.categories or frame.category in self.categories,
                self.since is None or frame.captured_at >= self.since,
                self.until is None or frame.captured_at < self.until,
                self.parts.takes(frame.part),
                draw(frame.frame_id) < self.share,
            )
        )


def draw(frame_id: str) -> float:
    """A number in [0, 1) that is always the same for a frame."""
    return int.from_bytes(hashlib.sha256(frame_id.encode()).digest()[:8]) / _WHOLE
