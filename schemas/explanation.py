"""explainer -> subscribers: the pictures of a verdict, made after it and beside it."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from schemas.defect import CounterpartCheck, Evidence
from schemas.message import Time
from schemas.outcome import FrameRef, InspectorMessage


class ExplanationState(StrEnum):
    """What became of an explanation."""

    EXPLAINED = "explained"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Explanation(InspectorMessage):
    """The pictures of a defect or a near miss, or why there are none; one for each verdict."""

    message_name: ClassVar[str] = "explanation"
    message_version: ClassVar[str] = "1.0"

    frame: FrameRef = Field(description="which frame; never null here")
    verdict: Literal["defect", "near_miss"] = Field(description="what is explained")
    state: ExplanationState = Field(
        description="explained: all that is asked for was made; skipped: something was left out, "
        "`reason` says what and why; expired: retention took the frame before, there are no "
        "pictures"
    )
    reason: str | None = Field(
        default=None, description="why it was skipped, or what is gone; null when explained"
    )
    model_version: str | None = Field(
        description="the model version that judged, which also explains; null: the verdict named "
        "none"
    )
    evidence: Evidence = Field(default=Evidence(), description="links to the pictures")
    counterpart: CounterpartCheck = Field(description="the part as it would look when good")
    verdict_record: str = Field(
        description="topic/partition/offset of the message with the verdict that is explained"
    )
    took_ms: float = Field(ge=0, description="milliseconds of work on it, waiting not included")
    explainer_id: str = Field(description="who explained; see its setting explainer.id")
    explained_at: Time = Field(description="by the explainer's clock; UTC")
    traceparent: str | None = Field(
        default=None, description="W3C trace context of the frame; null: it had none"
    )

    @property
    def event_source(self) -> str:
        return f"/explainers/{self.explainer_id}"

    @property
    def event_time(self) -> datetime:
        return self.explained_at

    def trace(self) -> str | None:
        return self.traceparent
