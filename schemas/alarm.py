"""notifier -> plant: what people are told, grouped per camera."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.message import Message, Name, Time


class AlarmKind(StrEnum):
    """Why somebody is told."""

    DEFECT = "defect"
    NOT_INSPECTED = "not-inspected"  # dead letters, a silent camera, a gap in the sequence


class Severity(StrEnum):
    """How loud to be."""

    INFO = "info"  # all clear
    WARNING = "warning"
    CRITICAL = "critical"


class AlarmPhase(StrEnum):
    """Where an alarm stands among those of the same camera and cause."""

    FIRST = "first"
    FOLLOW_UP = "follow-up"  # more of the same, counted, or the same grown critical
    ALL_CLEAR = "all-clear"


class Alarm(Message):
    """One alarm of one camera: the events of a window, grouped."""

    message_name: ClassVar[str] = "alarm"
    message_version: ClassVar[str] = "1.2"  # 1.1: traceparent; 1.2: phase, info

    alarm_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="the same for every delivery of this alarm"
    )
    kind: AlarmKind = Field(description="why somebody is told")
    severity: Severity = Field(description="how loud to be")
    phase: AlarmPhase = Field(
        default=AlarmPhase.FIRST,
        description="all-clear: what was told of this camera and cause is over",
    )
    camera_id: Name = Field(
        description="the camera, or what stands for it (topic-partition) when it is unknown"
    )
    category: str | None = Field(default=None, description="the product; null: not known")
    cause: str = Field(
        description="defect, a reject reason, an interruption, camera-silent, sequence-gap, "
        "camera-contradiction, unknown-camera, unreadable-event, events-expired or missed-defect "
        "(a person says so)"
    )
    message: str = Field(description="one line for people")
    first_seen: Time = Field(description="of the events in it, the first; UTC")
    last_seen: Time = Field(description="of the events in it, the last; UTC")
    count: int = Field(ge=1, description="events in it")
    frame_ids: list[str] = Field(
        max_length=20, description="ids of the first frames concerned, up to 20"
    )
    evidence: str | None = Field(
        default=None, description="URL of the worst frame's picture; null: there is none"
    )
    raised_at: Time = Field(description="by the notifier's clock; UTC")
    traceparent: str | None = Field(
        default=None, description="W3C trace context of the first event; null: none"
    )

    @property
    def event_id(self) -> str:
        return self.alarm_id

    @property
    def event_source(self) -> str:
        return "/notifier"

    @property
    def event_time(self) -> datetime:
        return self.raised_at

    @property
    def key(self) -> str:
        return self.camera_id

    def trace(self) -> str | None:
        return self.traceparent
