"""inspector -> alarm services: a product with a defect, where it is and why it was raised."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from schemas.message import Time, WireModel
from schemas.outcome import FrameRef, InspectorMessage, Latencies

Unit = Literal["px"]


class Box(WireModel):
    """A bounding box in pixels of the frame as captured; x and y name the top left corner."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Region(WireModel):
    """One connected anomalous region, in pixels of the frame as captured."""

    box: Box
    polygon: list[tuple[int, int]] = Field(description="outline, clockwise, as (x, y) points")
    area_px: int = Field(ge=1)
    peak_score: float


class Evidence(WireModel):
    """Links to the pictures. A missing link has its reason in `notes`."""

    frame: str | None = None
    heatmap: str | None = None
    outline: str | None = None
    counterpart: str | None = None
    notes: dict[str, str] = Field(default_factory=dict)


class CounterpartCheck(WireModel):
    """How the normal counterpart fared before a network that did not guide it: the examiner.

    Convincing when `score_after` is below `score_before` and at most `normal_limit`.
    """

    status: Literal["convincing", "not-convincing", "skipped"]
    examiner: str | None = None
    score_before: float | None = None
    score_after: float | None = None
    normal_limit: float | None = Field(
        default=None, description="95 % of held-out good images score at most this"
    )
    reason: str | None = None


class DefectEvent(InspectorMessage):
    """What alarm services subscribe to."""

    message_name: ClassVar[str] = "defect"
    message_version: ClassVar[str] = "1.1"  # 1.1: frame.content

    frame: FrameRef
    verdict: Literal["defect"] = "defect"
    image_score: float
    image_threshold: float
    pixel_threshold: float
    member_scores: dict[str, float] = Field(default_factory=dict)
    regions: list[Region]
    image_width: int = Field(ge=1)
    image_height: int = Field(ge=1)
    model_version: str
    calibration_id: str
    latencies: Latencies
    evidence: Evidence = Evidence()
    counterpart: CounterpartCheck
    decided_at: Time
    traceparent: str | None = None

    @property
    def event_time(self) -> datetime:
        return self.decided_at

    def trace(self) -> str | None:
        return self.traceparent
