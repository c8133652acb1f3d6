"""Every frame's one outcome: inspected (pass, near miss, defect) or rejected (reason)."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.frame import LIVE
from schemas.message import Count, Message, Name, Time, WireModel


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

    frame_id: Name
    camera_id: Name
    category: Name
    sequence: Count
    epoch: str = Field(default="0", max_length=256)
    captured_at: Time
    content: str | None = Field(
        default=None,
        max_length=64,
        description="digest of the picture's bytes: tells frames apart that bear the same id",
    )


class RecordRef(WireModel):
    """Where a record stands in Kafka."""

    topic: str
    partition: Count
    offset: Count


class Latencies(WireModel):
    """Milliseconds spent in each step, and from capture to the verdict."""

    queued_ms: float = Field(ge=0, description="from capture until the worker had the record")
    decode_ms: float = Field(ge=0)
    batch_wait_ms: float = Field(ge=0)
    inference_ms: float = Field(
        ge=0, description="the batch's time on the device, explanation included"
    )
    total_ms: float = Field(ge=0, description="from capture to the verdict")


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

    outcome_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    frame: FrameRef | None = Field(description="absent when the frame's headers were unreadable")
    record: RecordRef
    run: str = Field(default=LIVE, description="live, or the id of a replay")
    replayed_from: str | None = Field(
        default=None, description="topic/partition/offset of the record that was sent again"
    )
    worker_id: str

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
    message_version: ClassVar[str] = "1.1"  # 1.1: frame.content, more reasons

    verdict: Verdict | None = Field(default=None, description="absent when the frame was rejected")
    rejected: RejectReason | None = Field(default=None, description="absent when inspected")
    image_score: float | None = None
    image_threshold: float | None = None
    member_scores: dict[str, float] = Field(default_factory=dict)
    model_version: str | None = None
    calibration_id: str | None = None
    latencies: Latencies | None = None
    decided_at: Time
    traceparent: str | None = None

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
