"""What travels between the inspector's stages: plain values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.excerpt import excerpt
from schemas.frame import Frame
from schemas.outcome import RejectReason
from stream_inspector.image.traits import NONE, Traits
from stream_inspector.image.view.canvas import Placement, View
from stream_inspector.threshold.drift import Reference
from stream_inspector.verdict import Image, Verdict
from workers.runtime.bus.ports import Outgoing, Record

_ERROR_CHARACTERS = 1000

# images, their frames' sizes (width, height) and categories -> verdicts
Inspect = Callable[[Sequence[Image], Sequence[tuple[int, int]], Sequence[str]], list[Verdict]]


class Counterpart(Protocol):
    """A normal counterpart, as `stream_inspector.counterpart.gradient_denoising` makes it."""

    @property
    def image(self) -> Image:
        """[H, W, 3] at the detector's input size."""

    @property
    def examiner(self) -> str:
        """The network that scored it; it did not guide it."""

    @property
    def score_before(self) -> float:
        """Of the image."""

    @property
    def score_after(self) -> float:
        """Of the counterpart."""

    @property
    def normal_limit(self) -> float:
        """The end of the examiner's normal range."""

    @property
    def convincing(self) -> bool:
        """Whether it looks normal to that network."""


Explain = Callable[[Sequence[Image], Sequence[Verdict], Sequence[str]], Sequence[Counterpart]]


@dataclass(frozen=True, slots=True)
class ModelName:
    """What messages say of a model. It holds none of the model's memory."""

    version: str
    calibrations: Mapping[str, str]  # category that it inspects -> calibration id


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LoadedModel:
    """A model version on the device, ready to inspect. Its memory is free when nobody holds it."""

    version: str
    calibrations: Mapping[str, str]  # category that it inspects -> calibration id
    views: Mapping[str, View]  # by category that it inspects
    inspect: Inspect
    explain: Explain | None = None
    engine: str = "unknown"
    trained_views: Mapping[str, str | None] = field(default_factory=dict)  # their settings
    bytes: int = 0  # on the device
    references: Mapping[str, Reference] = field(default_factory=dict)  # good images, by category

    @property
    def name(self) -> ModelName:
        """What messages say of it."""
        return ModelName(self.version, self.calibrations)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One delivered record. Its result counts only while the partition's lease is the same."""

    record: Record
    lease: int
    received_at: datetime
    size: int  # bytes that it occupies from poll to publication


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


@dataclass(frozen=True, slots=True)
class Result:
    """A frame's one outcome, as messages. `smaller` says it in fewer bytes; None: in no fewer."""

    messages: tuple[Outgoing, ...]
    label: str  # verdict or reject reason; empty for what is no frame
    category: str
    camera: str = ""
    rejected: bool = False
    span: tuple[datetime, datetime] | None = None  # of an inspected frame: captured, decided
    smaller: Callable[[], "Result"] | None = None
    settled: Callable[[datetime], None] | None = None  # called when it is published
