"""What goes through the ledger: a record that was read, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from workers.runtime.bus.ports import Outgoing, Record


@dataclass(frozen=True, slots=True)
class Ticket:
    """One delivered record. Its result counts only while the partition's lease is the same."""

    record: Record
    lease: int
    received_at: datetime
    size: int  # bytes that it occupies from poll to publication


@dataclass(frozen=True, slots=True)
class Result:
    """A record's one outcome, as messages. `smaller` says it in fewer bytes; None: in no fewer."""

    messages: tuple[Outgoing, ...]
    label: str  # verdict, reject reason or state; empty for what is no outcome
    category: str
    camera: str = ""
    rejected: bool = False
    span: tuple[datetime, datetime] | None = None  # of an inspected frame: captured, decided
    smaller: Callable[[], "Result"] | None = None
    settled: Callable[[datetime], None] | None = None  # called when it is published
