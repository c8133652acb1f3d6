"""Every frame's one outcome: inspected (pass, near miss, defect) or rejected (reason)."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.frame import LIVE
from schemas.message import Count, Message, Name, Time, WireModel
from schemas.part import PartRef


class Verdict(StrEnum):
    """What inspection says of a frame."""

    PASS = "pass"  # noqa: S105
    NEAR_MISS = "near_miss"
    DEFECT = "defect"


class RejectReason(StrEnum):
    """Why a frame could not be inspected; stable codes for dashboards and filters."""

    INVALID_MESSAGE = "invalid-message"
    MISSING_HEADER = "missing-header"
    INVALID_HEADER = "invalid-header"
    UNSUPPORTED_VERSION = "unsupported-version"
    UNKNOWN_CATEGORY = "unknown-category"
    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    UNDECODABLE = "undecodable"
    DAMAGED = "damaged"
    INSPECTION_FAILED = "inspection-failed"
    CRASHED_WORKER = "crashed-worker"
    CAMERA_HELD_BACK = "camera-held-back"


class FrameRef(WireModel):
    """Which frame a message speaks of."""

    frame_id: Name = Field(description="the frame's ce_id, as its camera gave it")
    camera_id: Name = Field(description="the frame's ce_camera")
    category: Name = Field(description="the frame's ce_category: the product it shows")
    sequence: Count = Field(description="the frame's number in its epoch, as its camera counts")
    epoch: str = Field(
        default="0", max_length=256, description="one start of the camera process; 0: none was said"
    )
    captured_at: Time = Field(description="when the picture was taken, by the camera's clock; UTC")
    content: str | None = Field(
        default=None,
        max_length=64,
        description="digest of the picture's bytes (SHA-256, first 16 hex digits): tells frames "
        "apart that bear the same id; null: of a worker before 1.1",
    )
    part: PartRef | None = Field(
        default=None, description="who the part is that it shows; null: nobody said"
    )


class RecordRef(WireModel):
    """Where a record stands in Kafka."""

    topic: str = Field(description="its topic")
    partition: Count = Field(description="its partition, from 0")
    offset: Count = Field(description="its offset in the partition, from 0")


class Latencies(WireModel):
    """Milliseconds spent in each step, and from capture to the verdict."""

    queued_ms: float = Field(
        ge=0, description="milliseconds from capture until the worker had the record; two clocks"
    )
    decode_ms: float = Field(ge=0, description="milliseconds to decode the picture")
    batch_wait_ms: float = Field(
        ge=0, description="milliseconds until its batch was full or old enough"
    )
    inference_ms: float = Field(ge=0, description="milliseconds of its batch on the device")
    total_ms: float = Field(
        ge=0,
        description="milliseconds from capture to the verdict; two clocks, and never less than "
        "from the record's arrival",
    )
    clock_ahead_ms: float = Field(
        default=0.0,
        ge=0,
        description="milliseconds by which the time of capture was ahead of the worker's clock "
        "when the record came; above 0 the clocks differ, and queued_ms and total_ms are too short",
    )


def outcome_id(source: str, frame_id: str, run: str = LIVE) -> str:
    """The id of a frame's outcome: the same for pass, defect and reject, and for a redelivery."""
    text = "\x1f".join((source, frame_id, run))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def content_digest(data: bytes) -> str:
    """The digest of a picture's bytes, as `FrameRef.content` has it (SHA-256, 16 hex digits)."""
    return hashlib.sha256(data).hexdigest()[:16]


def fingerprint(frame: FrameRef | None, record: RecordRef) -> str:
    """Tells frames apart that bear the same id; the same for a redelivery of the same frame."""
    if frame is None:
        said: tuple[object, ...] = (record.topic, record.partition, record.offset)
    else:
        said = (frame.epoch, frame.sequence, frame.captured_at.isoformat(), frame.content)
    text = "\x1f".join(map(str, said))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _only(name: str, other: str) -> dict[str, Any]:
    null = {"type": "null"}
    return {"required": [name], "properties": {name: {"not": null}, other: null}}


class InspectorMessage(Message):
    """What the three messages of an inspector share: one frame's outcome, and who decided it."""

    outcome_id: str = Field(
        pattern=r"^[0-9a-f]{32}$",
        description="of source, frame id and run: the same for every delivery of one frame",
    )
    frame: FrameRef | None = Field(
        description="which frame; null when its headers were unreadable: see `record`"
    )
    record: RecordRef = Field(description="the frame's record in Kafka")
    run: str = Field(
        default=LIVE, description="live, or the id of the replay that sent the frame again"
    )
    replayed_from: str | None = Field(
        default=None,
        description="topic/partition/offset of the record that was sent again; null: live",
    )
    worker_id: str = Field(description="the worker that decided; see its setting worker.id")

    @property
    def event_id(self) -> str:
        return self.outcome_id

    @property
    def event_source(self) -> str:
        return f"/inspectors/{self.worker_id}"

    @property
    def key(self) -> str:
        if self.frame is not None:
            return self.frame.camera_id
        return f"{self.record.topic}-{self.record.partition}"


class Outcome(InspectorMessage):
    """The one outcome of one frame. Two messages with the same `outcome_id` and `frame` are one."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_only("verdict", "rejected"), _only("rejected", "verdict")]}
    )
    message_name: ClassVar[str] = "outcome"
    message_version: ClassVar[str] = (
        "1.2"  # 1.1: frame.content, more reasons; 1.2: frame.part, latencies.clock_ahead_ms
    )

    verdict: Verdict | None = Field(default=None, description="null when the frame was rejected")
    rejected: RejectReason | None = Field(
        default=None, description="why it was not inspected; null when it was"
    )
    image_score: float | None = Field(
        default=None,
        description="how anomalous the frame is, without unit; comparable within one "
        "calibration_id; null when rejected",
    )
    image_threshold: float | None = Field(
        default=None, description="a score above it is a defect, same scale; null when rejected"
    )
    member_scores: dict[str, float] = Field(
        default_factory=dict,
        description="scoring method -> its own score of the frame, without unit; empty when "
        "rejected",
    )
    model_version: str | None = Field(
        default=None, description="the model version that judged; null when rejected"
    )
    calibration_id: str | None = Field(
        default=None, description="the thresholds that judged; null when rejected"
    )
    latencies: Latencies | None = Field(
        default=None, description="where the time went; null when rejected"
    )
    decided_at: Time = Field(description="by the worker's clock; UTC")
    traceparent: str | None = Field(
        default=None, description="W3C trace context of the frame; null: it had none"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.verdict is None) == (self.rejected is None):
            raise ValueError("an outcome has either a verdict or a reject reason")
        return self

    @property
    def event_time(self) -> datetime:
        return self.decided_at

    def trace(self) -> str | None:
        return self.traceparent
