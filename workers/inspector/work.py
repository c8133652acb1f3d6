"""What travels between the inspector's stages: plain values."""

from dataclasses import dataclass

from schemas.excerpt import excerpt
from schemas.frame import Frame
from schemas.outcome import RejectReason
from stream_inspector.image.formats.traits import NONE, Traits
from stream_inspector.image.view.canvas import Placement, View
from stream_inspector.verdict import Image
from workers.runtime.bus.ports import Record
from workers.runtime.settling.results import Ticket

_ERROR_CHARACTERS = 1000


def log_ids(record: Record, frame: Frame | None = None) -> dict[str, str | int]:
    """What a line of the log says of the frame that it is about."""
    place: dict[str, str | int] = {"partition": record.partition.index, "offset": record.offset}
    if frame is None:
        return place
    return place | {
        "frame": frame.frame_id,
        "camera": frame.camera_id,
        "category": frame.category,
    }


@dataclass(frozen=True, slots=True)
class Admitted:
    """A frame that can be inspected."""

    ticket: Ticket
    frame: Frame
    image: Image  # [H, W, 3], canvas of the view
    view: View
    place: Placement  # of the canvas in the frame as captured
    decode_ms: float
    admitted_at: float  # seconds, monotonic
    damage: str | None = None  # what was lost of it, where that is accepted
    traits: Traits = NONE


@dataclass(frozen=True, slots=True)
class Rejection:
    """A frame that cannot be inspected, and why."""

    ticket: Ticket
    frame: Frame | None  # None when the headers were unreadable
    reason: RejectReason
    error: str  # cut to a bounded length: it may quote the record
    attempts: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", excerpt(self.error, _ERROR_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame whose category has no model in memory."""

    ticket: Ticket
    category: str
