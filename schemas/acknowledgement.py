"""people -> whoever shows alarms: somebody has seen them and sees to it."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from pydantic import Field

from schemas.message import Message, Name, Time

NOTE_LIMIT = 1000  # characters


class Acknowledgement(Message):
    """The alarms of a camera and cause, those up to a moment: a later one is open again.

    It says who looks after them and silences nothing: what happens anew is told anew.
    """

    message_name: ClassVar[str] = "acknowledgement"

    acknowledgement_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="the same for every delivery of it"
    )
    camera_id: Name = Field(description="of the alarms")
    cause: Name = Field(description="of the alarms")
    until: Time = Field(description="alarms that were raised until then; UTC")
    by: Name = Field(description="who has seen them")
    note: str = Field(default="", max_length=NOTE_LIMIT, description="in their words; empty: none")
    acknowledged_at: Time = Field(description="by the sender's clock; UTC")

    @classmethod
    def of(
        cls, camera_id: str, cause: str, until: datetime, *, by: str, note: str, at: datetime
    ) -> Self:
        """A new one."""
        return cls(
            acknowledgement_id=uuid.uuid4().hex,
            camera_id=camera_id,
            cause=cause,
            until=until,
            by=by,
            note=note,
            acknowledged_at=at,
        )

    @property
    def event_id(self) -> str:
        return self.acknowledgement_id

    @property
    def event_source(self) -> str:
        return "/acknowledgements"

    @property
    def event_time(self) -> datetime:
        return self.acknowledged_at

    @property
    def key(self) -> str:
        return self.camera_id
