"""inspector -> alarm services: a product with a defect, where it is and why it was raised."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from schemas.message import Time, WireModel
from schemas.outcome import FrameRef, InspectorMessage, Latencies

Unit = Literal["px"]


class Box(WireModel):
    """A bounding box in pixels of the upright frame; x and y name the top left corner."""

    x: int = Field(ge=0, description="left edge, pixels of the upright frame, from the left")
    y: int = Field(ge=0, description="top edge, pixels of the upright frame, from the top")
    width: int = Field(ge=1, description="pixels of the upright frame")
    height: int = Field(ge=1, description="pixels of the upright frame")


class Region(WireModel):
    """One connected anomalous region, in pixels of the upright frame."""

    box: Box = Field(description="the smallest upright box around it")
    polygon: list[tuple[int, int]] = Field(
        description="outline, clockwise, as (x, y) points in pixels of the upright frame; of "
        "an event that was too large for its topic the corners of the box"
    )
    area_px: int = Field(ge=1, description="square pixels of the upright frame")
    peak_score: float = Field(
        description="highest score of a pixel in it, without unit; compare with pixel_threshold"
    )


class Evidence(WireModel):
    """Links to the pictures. A missing link has its reason in `notes`."""

    frame: str | None = Field(
        default=None, description="URL of the frame's own bytes, as captured; null: see notes"
    )
    heatmap: str | None = Field(
        default=None,
        description="URL of a PNG: the scores over what the network saw, which is the canvas of "
        "the category's view and not the whole frame; null: see notes",
    )
    outline: str | None = Field(
        default=None, description="URL of a PNG of the canvas: the regions; null: see notes"
    )
    counterpart: str | None = Field(
        default=None,
        description="URL of a PNG of the canvas: the part without its defect; null: see notes",
    )
    notes: dict[str, str] = Field(
        default_factory=dict, description="picture -> why there is no link; evidence: all of them"
    )


class CounterpartCheck(WireModel):
    """How the normal counterpart fared before a network that did not guide it: the examiner.

    Convincing when `score_after` is below `score_before` and at most `normal_limit`.
    """

    status: Literal["convincing", "not-convincing", "skipped"] = Field(
        description="skipped: none was made, `reason` says why"
    )
    examiner: str | None = Field(
        default=None, description="the network that judged it; null when skipped"
    )
    score_before: float | None = Field(
        default=None,
        description="the examiner's score of the frame, without unit; null when skipped",
    )
    score_after: float | None = Field(
        default=None,
        description="the examiner's score of the counterpart, same scale; null when skipped",
    )
    normal_limit: float | None = Field(
        default=None,
        description="95 % of held-out good images score at most this, same scale; null when "
        "skipped",
    )
    reason: str | None = Field(
        default=None, description="why it was skipped, or why it does not convince; else null"
    )


class DefectEvent(InspectorMessage):
    """What alarm services subscribe to."""

    message_name: ClassVar[str] = "defect"
    message_version: ClassVar[str] = "1.2"  # 1.1: frame.content; 1.2: explanation, frame.part

    frame: FrameRef = Field(description="which frame; never null here")
    verdict: Literal["defect"] = Field(default="defect", description="always defect")
    image_score: float = Field(
        description="how anomalous the frame is, without unit; comparable within one calibration_id"
    )
    image_threshold: float = Field(description="a score above it is a defect; same scale")
    pixel_threshold: float = Field(
        description="pixels above it are outlined, without unit; the scale of peak_score"
    )
    member_scores: dict[str, float] = Field(
        default_factory=dict, description="scoring method -> its own score, without unit"
    )
    regions: list[Region] = Field(description="where the defect is; may be empty")
    image_width: int = Field(ge=1, description="of the upright frame, pixels")
    image_height: int = Field(ge=1, description="of the upright frame, pixels")
    model_version: str = Field(description="the model version that judged")
    calibration_id: str = Field(description="the thresholds that judged")
    latencies: Latencies = Field(description="where the time went")
    evidence: Evidence = Field(
        default=Evidence(),
        description="links to the pictures; since 1.2 without any: the explanation has them",
    )
    counterpart: CounterpartCheck = Field(
        description="the part as it would look when good; since 1.2 always skipped: the "
        "explanation has it"
    )
    explanation: str | None = Field(
        default=None,
        description="topic on which the explanation of this defect comes, with the same "
        "outcome_id and frame; null: of a worker before 1.2, whose links are in `evidence`",
    )
    decided_at: Time = Field(description="by the worker's clock; UTC")
    traceparent: str | None = Field(
        default=None, description="W3C trace context of the frame; null: it had none"
    )

    @property
    def event_time(self) -> datetime:
        return self.decided_at

    def trace(self) -> str | None:
        return self.traceparent
