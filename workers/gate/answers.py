"""What the plant is told of a part."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from schemas.part import PartRef
from workers.gate.parts import PartKey

DEADLINE = "deadline"  # no outcome came in time
LOST = "lost"  # its number is missing: it never reached the broker, or nobody read it


class Decision(StrEnum):
    """The three answers."""

    PASS = "pass"  # noqa: S105
    REJECT = "reject"
    NOT_INSPECTED = "not-inspected"

    @property
    def code(self) -> int:
        """As a number: 1 pass, 2 reject, 3 not inspected."""
        return 1 + list(Decision).index(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """One part's answer. The same part always gets the same one, however often it is sent."""

    camera: str
    key: PartKey
    decision: Decision
    reject: bool  # what the gate is to do: of a part that was not inspected, as the setting says
    reason: str  # pass, near_miss, defect, a reject reason, deadline, lost
    late: bool  # made after the part's time was over: nothing may move for it
    latency_s: float  # from capture to the answer; two clocks, never below 0
    deadline_s: float  # by the gate's monotonic clock
    again: bool = False  # of an earlier start: nothing may move for it twice
    who: PartRef | None = None  # who the part is, where its camera says so
    traceparent: str | None = None  # of its frame

    def said(self, name: str) -> str:
        """What is known of who the part is; empty where nobody said."""
        return self.who.said().get(name, "") if self.who else ""

    def document(self) -> dict[str, object]:
        """For machines and the journal."""
        return {
            "camera": self.camera,
            "part": self.key.number,
            "start": self.key.start,
            "frame_id": self.key.frame_id,
            "decision": self.decision.value,
            "reject": self.reject,
            "reason": self.reason,
            "late": self.late,
            "captured_at": _rfc3339(self.key.captured_at),
            "latency_ms": round(self.latency_s * 1000),
            "identity": self.who and self.who.model_dump(exclude_defaults=True),
        }

    def text(self) -> str:
        """The same as one line of JSON."""
        return json.dumps(self.document(), ensure_ascii=False)


class Noted(NamedTuple):
    """An answer as an earlier start wrote it down."""

    camera: str
    key: PartKey
    decision: Decision
    reject: bool
    reason: str
    late: bool
    who: PartRef | None = None

    @property
    def lost(self) -> bool:
        """Whether its number was missing."""
        return self.reason == LOST


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
