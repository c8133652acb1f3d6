"""Records of the defects and outcomes topics -> what is to be explained. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.defect import DefectEvent
from schemas.outcome import FrameRef, Outcome, RecordRef, Verdict
from workers.runtime.evidence.cases import Case
from workers.runtime.settling.results import Ticket


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verdict that is to be explained."""

    ticket: Ticket  # of the message with the verdict
    event: DefectEvent | Outcome
    frame: FrameRef
    verdict: Literal["defect", "near_miss"]

    @property
    def version(self) -> str | None:
        """The model version that judged."""
        return self.event.model_version

    @property
    def record(self) -> RecordRef:
        """Where the frame stands."""
        return self.event.record

    @property
    def decided_at(self) -> datetime:
        """When it was judged."""
        return self.event.decided_at

    @property
    def case(self) -> Case:
        """Whose its pictures are."""
        return Case(
            outcome_id=self.event.outcome_id,
            frame_id=self.frame.frame_id,
            camera_id=self.frame.camera_id,
            category=self.frame.category,
            grade=self.verdict,
            captured_at=self.frame.captured_at,
            decided_at=self.decided_at,
            model_version=self.version or "",
            pictures={},
            part=self.frame.part,
        )

    @property
    def place(self) -> str:
        """Where the verdict stands: topic/partition/offset."""
        at = self.ticket.record.partition
        return f"{at.topic}/{at.index}/{self.ticket.record.offset}"


def wanted(ticket: Ticket, defects: str) -> Wanted | None:
    """What a record asks for; None: nothing. `defects` is that topic. Raises SchemaError."""
    record = ticket.record
    if record.partition.topic == defects:
        defect = DefectEvent.decode(record.headers, record.value)
        return Wanted(ticket, defect, defect.frame, "defect")
    outcome = Outcome.decode(record.headers, record.value)
    if outcome.verdict is not Verdict.NEAR_MISS or outcome.frame is None:
        return None
    return Wanted(ticket, outcome, outcome.frame, "near_miss")
