"""Reading loops meet any bytes: a record is understood, or it is passed over, told and counted."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from workers.runtime.bus.ports import Partition, Record
from workers.runtime.host.terminal import plain

T = TypeVar("T")

_NAMED = 3  # records of a topic that are told one by one
_REASON = 200  # characters


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that could not be read, and why."""

    at: Partition
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.at.topic} {self.at.index} at {self.offset}: {self.reason}"


@dataclass(slots=True)
class PassedOver:
    """Records that could not be read: how many of each topic, and the first with their reasons."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Unread] = field(default_factory=list)

    def read(self, record: Record, understand: Callable[[Record], T]) -> T | None:
        """What the record says; None when it was passed over."""
        try:
            return understand(record)
        except Exception as error:  # bytes of others may break a reader in any way
            self.note(record, error)
            return None

    def note(self, record: Record, error: Exception) -> None:
        """Count a record that could not be read."""
        at = record.partition
        self.counts[at.topic] += 1
        if self.counts[at.topic] <= _NAMED:
            reason = plain(error)[:_REASON] or type(error).__name__
            self.first.append(Unread(at, record.offset, reason))

    @property
    def count(self) -> int:
        """How many."""
        return self.counts.total()

    def lines(self) -> Iterator[str]:
        """What to say of them."""
        for topic, count in self.counts.items():
            told = [each for each in self.first if each.at.topic == topic]
            yield f"{count} records of {topic} cannot be read by this version: passed over"
            yield from (f"  {each}" for each in told)
            if count > len(told):
                yield f"  and {count - len(told)} more"
