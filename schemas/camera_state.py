"""camera, operator -> notifier: a camera ends, or is not expected to send for a while."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from schemas.message import Count, Message, Name, Time


class CameraCondition(StrEnum):
    """What is announced."""

    STOPPED = "stopped"  # an orderly end: all of its frames are on their topic
    PAUSED = "paused"
    RESUMED = "resumed"  # a pause ends before its time


class CameraState(Message):
    """A camera that will be silent, as announced; a silence that nobody announced is an alarm."""

    message_name: ClassVar[str] = "camera-state"

    state_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="the same for every delivery of it"
    )
    camera: Name = Field(
        description="camera id; of paused and resumed also a pattern of ids, like line-1-*"
    )
    state: CameraCondition = Field(description="what is announced")
    epoch: str | None = Field(
        default=None, max_length=256, description="stopped: the start that ends, null: 0; else null"
    )
    frames: Count | None = Field(
        default=None,
        description="stopped: taken in this epoch; each has or gets its outcome; null: unknown",
    )
    until: Time | None = Field(
        default=None, description="paused: when frames are expected again, UTC; else null"
    )
    by: Name = Field(description="who says so")
    why: str = Field(default="", max_length=1000, description="the reason, for people")
    announced_at: Time = Field(description="by the sender's clock; UTC")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.state is CameraCondition.PAUSED and self.until is None:
            raise ValueError("a pause has an end: until")
        return self

    @property
    def event_id(self) -> str:
        return self.state_id

    @property
    def event_source(self) -> str:
        return f"/cameras/{self.camera}"

    @property
    def event_time(self) -> datetime:
        return self.announced_at

    @property
    def key(self) -> str:
        return self.camera
