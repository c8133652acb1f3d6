"""operator -> resolutions: what became of a dead letter."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.message import Message, Name, Time
from schemas.outcome import RecordRef


class Action(StrEnum):
    """What was done."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


class Resolution(Message):
    """A dead letter is settled: its frame was sent again, or somebody decided to let it be."""

    message_name: ClassVar[str] = "resolution"

    outcome_id: str = Field(pattern=r"^[0-9a-f]{32}$", description="of the dead letter")
    action: Action = Field(description="what was done")
    run: str | None = Field(
        default=None, description="of the replayed frame's outcome; null when discarded"
    )
    original: RecordRef = Field(description="the record that was rejected")
    by: Name = Field(description="who decided, user@host")
    why: str = Field(description="their reason")
    resolved_at: Time = Field(description="by the operator's clock; UTC")

    @property
    def event_id(self) -> str:
        return self.outcome_id

    @property
    def event_source(self) -> str:
        return "/dead-letters"

    @property
    def event_time(self) -> datetime:
        return self.resolved_at

    @property
    def key(self) -> str:
        return self.outcome_id
