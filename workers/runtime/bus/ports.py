"""What the stage needs of a broker, in our own words.

Two adapters keep these ports: `kafka/` (any Kafka-compatible broker) and `memory.py` (tests).
A `Consumer` belongs to one thread. A `Producer` may be shared.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from schemas.envelope import Headers, WireMessage

_HEADER_BYTES = 150  # of a header in memory beside its text: a tuple, a str and a bytes object


@dataclass(frozen=True, order=True, slots=True)
class Partition:
    """A partition of a topic."""

    topic: str
    index: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    @property
    def size(self) -> int:
        """Bytes that keeping this record costs."""
        headers = sum(len(name) + len(data or b"") + _HEADER_BYTES for name, data in self.headers)
        return len(self.value or b"") + len(self.key or b"") + headers + 512


class GapCause(StrEnum):
    """Why records were not read."""

    EXPIRED = "expired"  # the topic's retention deleted them before
    UNREADABLE = "unreadable"  # their batch cannot be unpacked


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that reading passed over."""

    partition: Partition
    first: int  # offsets, both included
    last: int
    cause: GapCause = GapCause.EXPIRED
    why: str = ""  # more of it, in words

    @property
    def records(self) -> int:
        """At most so many; markers and compaction leave fewer."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and the topic it goes to. `partition` overrides the key's hash."""

    topic: str
    message: WireMessage
    partition: int | None = None


class Start(NamedTuple):
    """Where to begin a partition that the group has no position for, to the best of our memory."""

    offset: int | None  # None: nothing is remembered
    since_ms: int  # and no later than the first record of this time (since 1970)


Positions = Mapping[Partition, int]  # the offset of the next record to read


class Handover(NamedTuple):
    """How far a member is with giving up partitions."""

    done: bool  # nothing of them is in work any more
    positions: dict[Partition, int]  # published, not yet committed: committed in passing


class RebalanceListener(Protocol):
    """Told when partitions come and go. Called on a client thread: must return at once."""

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are new here."""

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """These are handed over in order; finished work may still be committed."""

    def handover(self, partitions: frozenset[Partition]) -> Handover:  # noqa: ARG002
        """Asked again and again after `revoked`, until done or out of time."""
        return Handover(done=True, positions={})

    def lost(self, partitions: frozenset[Partition]) -> None:
        """These already belong to somebody else; committing them is forbidden."""


class Consumer(Protocol):
    """A member of a consumer group."""

    def poll(self, timeout_s: float) -> list[Record]:
        """Records that have arrived. Keeps the membership alive; call it often."""

    def gaps(self) -> list[Gap]:
        """Records that the last `poll` passed over; they lie before what it returned. Told once."""

    def begun(self) -> Positions:
        """Partitions that the group had no position for, and where they ended then; told once."""

    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours now."""

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop fetching from these; polling goes on."""

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from these again."""

    def commit(self, positions: Positions) -> None:
        """Store positions. Raises MembershipLost when the group has moved on, or Transient."""

    def position(self, partition: Partition) -> int | None:
        """The offset after what `poll` returned, markers included; None when it is not known."""

    def lag(self) -> dict[Partition, int]:
        """Records not yet read, per assigned partition."""

    def stable(self) -> bool:
        """Whether the group has settled and gave us our partitions."""

    def missing(self) -> frozenset[str]:
        """Topics we read that the broker does not have, or does not show us."""

    def generation(self) -> object | None:
        """Our membership as the broker knows it, for fencing; None: no member. Any thread."""

    def close(self) -> None:
        """Leave the group."""


class Reader(Protocol):
    """Reads a topic outside any group: it takes no frame from anybody, and commits nothing."""

    @property
    def partitions(self) -> int:
        """How many the topic has; 0: there is no such topic."""

    def poll(self, timeout_s: float) -> list[Record]:
        """Committed records that have arrived. Raises BusUnavailable."""

    def gaps(self) -> list[Gap]:
        """Records that the last `poll` passed over, because they cannot be read; told once."""

    def left(self) -> int:
        """About so many records are not read yet."""

    def at_end(self) -> bool:
        """Whether everything is read that the topic held when it was opened."""

    def ask(self) -> None:
        """Whether the broker answers: a topic where nothing comes looks like one that is cut off.

        Raises Transient, also where the topic has grown and has to be opened anew.
        """

    def close(self) -> None:
        """Read no more."""


class Lookup(Protocol):
    """Finds single records by where they stand. One thread only."""

    def find(self, partition: Partition, offset: int) -> Record | None:
        """The record; None where it is gone or cannot be read. Raises BusUnavailable."""

    def close(self) -> None:
        """Look for no more."""


class Producer(Protocol):
    """Writes messages."""

    def publish(self, messages: Iterable[Outgoing]) -> None:
        """Write all and wait until the broker has them.

        Raises Transient when it does not answer (some may have been written), MessageTooLarge
        when a message is beyond the limit.
        """

    def close(self) -> None:
        """Flush and close."""


class Delivery(Protocol):
    """Publishes results and the positions they settle as one statement.

    `at_least_once` writes the messages, waits for all of them, then commits the positions; a
    transactional one commits both at once. The inspector's loop does not know which it has.
    """

    @property
    def guarantee(self) -> str:
        """What it promises, in words: printed when a process starts."""

    @property
    def commits(self) -> bool:
        """Whether the positions are stored when `settle` returns."""

    def generation(self) -> object | None:
        """The membership that `settle` speaks for: take it, then look what is still ours."""

    def settle(
        self, messages: Iterable[Outgoing], positions: Positions, generation: object | None
    ) -> None:
        """Publish and commit.

        Raises MembershipLost when the group has moved on since `generation`, MessageTooLarge or
        Transient. Called again with the same or fewer partitions, it knows what it has done.
        """

    def close(self) -> None:
        """Leave nothing half done."""


ConsumerFactory = Callable[[RebalanceListener], Consumer]
DeliveryFactory = Callable[[Consumer, Callable[[Positions], None]], Delivery]
