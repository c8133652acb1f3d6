"""inspector -> dead letters: frames that nobody inspects and of which no record is in hand."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.message import Count, Message, Name, Time


class InterruptionCause(StrEnum):
    """Why frames are not inspected."""

    EXPIRED = "expired"  # they were older than the frames topic's retention when we came to read
    UNREADABLE = "unreadable"  # the batch of records that holds them cannot be unpacked
    STOPPED = "inspection-stopped"  # too large a share was rejected: reading stopped
    CAMERA_HELD_BACK = "camera-held-back"  # too large a share of one camera's was rejected


class Interruption(Message):
    """Frames that are not inspected, told once for all of them; their parts need a look."""

    message_name: ClassVar[str] = "interruption"
    message_version: ClassVar[str] = "1.1"  # 1.1: camera-held-back, camera_id

    interruption_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="the same for every delivery of it"
    )
    cause: InterruptionCause = Field(description="why these frames are not inspected")
    topic: str = Field(description="the frames topic")
    partition: Count | None = Field(default=None, description="null: all of this worker's")
    camera_id: Name | None = Field(
        default=None, description="of a camera that is held back; else null"
    )
    first_offset: Count | None = Field(
        default=None, description="of the expired or unreadable records; else null"
    )
    records: Count = Field(description="how many are lost to inspection so far")
    error: str = Field(description="what happened, in words, for people")
    worker_id: str = Field(description="the worker that noticed; see its setting worker.id")
    noticed_at: Time = Field(description="by the worker's clock; UTC")

    @property
    def event_id(self) -> str:
        return self.interruption_id

    @property
    def event_source(self) -> str:
        return f"/inspectors/{self.worker_id}"

    @property
    def event_time(self) -> datetime:
        return self.noticed_at

    @property
    def key(self) -> str:
        if self.camera_id is not None:
            return self.camera_id
        return self.topic if self.partition is None else f"{self.topic}-{self.partition}"
