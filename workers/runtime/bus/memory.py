"""A broker inside this process: topics, consumer groups, rebalances. For tests and dry runs.

It keeps the same ports as the Kafka adapter, and the same rules: a member that joins moves only
the partitions it has to (cooperative), a member that was expelled may not commit.
"""

import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from threading import RLock

from workers.runtime.bus.ports import (
    Gap,
    GapCause,
    Outgoing,
    Partition,
    Positions,
    RebalanceListener,
    Record,
)
from workers.runtime.errors import BusUnavailable, MembershipLost, MessageTooLarge, NoSuchPartition

_PARTITIONS = 4  # of a topic that nobody created


@dataclass
class _Group:
    """The members of a consumer group, in the order they joined, and what it has committed."""

    members: list["MemoryConsumer"] = field(default_factory=list)
    committed: dict[Partition, int] = field(default_factory=dict)


class MemoryBroker:
    """Topics and groups in memory. Safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._topics: dict[str, list[list[Record]]] = {}
        self._groups: dict[str, _Group] = {}
        self._first: dict[Partition, int] = {}  # the oldest offset where some expired
        self._spoiled: list[Gap] = []  # what cannot be unpacked
        self.limits: dict[str, int] = {}  # topic -> bytes of the largest message that it takes
        self.available = True  # tests switch it off: every call then raises BusUnavailable

    def create_topic(self, name: str, partitions: int = _PARTITIONS) -> None:
        """Create a topic; an existing one is left as it is."""
        with self.lock:
            self._topics.setdefault(name, [[] for _ in range(partitions)])

    def producer(self) -> "MemoryProducer":
        """A producer."""
        return MemoryProducer(self)

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        listener: RebalanceListener | None = None,
        max_records: int = 50,
    ) -> "MemoryConsumer":
        """A new member of a group, reading from the beginning where nothing is committed."""
        with self.lock:
            for topic in topics:
                self.create_topic(topic)
            member = MemoryConsumer(self, group, tuple(topics), listener, max_records)
            self._groups.setdefault(group, _Group()).members.append(member)
            self._rebalance(group)
            return member

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0: there is no such topic."""
        with self.lock:
            return len(self._topics.get(topic, ()))

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        with self.lock:
            return [record for log in self._topics.get(topic, []) for record in log]

    def committed(self, group: str) -> dict[Partition, int]:
        """What a group has committed."""
        with self.lock:
            return dict(self._groups.get(group, _Group()).committed)

    def members(self, group: str) -> list["MemoryConsumer"]:
        """The members of a group, in the order they joined."""
        with self.lock:
            return list(self._groups.get(group, _Group()).members)

    def expel(self, member: "MemoryConsumer") -> None:
        """Throw a member out, as a broker does after a session timeout."""
        with self.lock:
            self._groups[member.group].members.remove(member)
            member.lose()
            self._rebalance(member.group)

    def append(self, outgoing: Outgoing) -> None:
        """Write one message."""
        with self.lock:
            self.check()
            self.create_topic(outgoing.topic)
            logs = self._topics[outgoing.topic]
            message = outgoing.message
            index = outgoing.partition
            if index is None:
                index = zlib.crc32(message.key or b"") % len(logs)
            log = logs[index]
            partition = Partition(outgoing.topic, index)
            now_ms = int(time.time() * 1000)
            record = Record(
                partition, len(log), message.key, message.value, message.headers, now_ms
            )
            log.append(record)

    def check_partition(self, outgoing: Outgoing) -> None:
        """Raises NoSuchPartition."""
        index, count = outgoing.partition, self.partitions(outgoing.topic) or _PARTITIONS
        if index is not None and index >= count:
            raise NoSuchPartition(f"topic {outgoing.topic} has no partition {index}")

    def check_size(self, outgoing: Outgoing) -> None:
        """Raises MessageTooLarge for a message beyond its topic's limit."""
        message, limit = outgoing.message, self.limits.get(outgoing.topic)
        headers = sum(len(name.encode()) + len(data) for name, data in message.headers)
        size = len(message.value or b"") + len(message.key or b"") + headers
        if limit is not None and size > limit:
            raise MessageTooLarge(f"{outgoing.topic} takes {limit} bytes, not {size}")

    def read(self, partition: Partition, offset: int, limit: int) -> list[Record]:
        """At most `limit` records from an offset on."""
        with self.lock:
            self.check()
            found = self._topics[partition.topic][partition.index][offset : offset + limit]
            good = takewhile(lambda record: not self.gap_at(partition, record.offset), found)
            return list(good)

    def expire(self, partition: Partition, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        with self.lock:
            self._first[partition] = max(before, self.first(partition))

    def spoil(self, partition: Partition, first: int, last: int, why: str = "damaged") -> None:
        """Make the records of these offsets unreadable, as a damaged batch is."""
        with self.lock:
            self._spoiled.append(Gap(partition, first, last, GapCause.UNREADABLE, why))

    def gap_at(self, partition: Partition, offset: int) -> Gap | None:
        """What is passed over by who reads from this offset on."""
        with self.lock:
            first = self.first(partition)
            if offset < first:
                return Gap(partition, offset, first - 1)
            for gap in self._spoiled:
                if gap.partition == partition and gap.first <= offset <= gap.last:
                    return replace(gap, first=offset)
        return None

    def first(self, partition: Partition) -> int:
        """The offset of the oldest record that is still there."""
        return self._first.get(partition, 0)

    def end(self, partition: Partition) -> int:
        """The offset after the last record."""
        with self.lock:
            return len(self._topics[partition.topic][partition.index])

    def store(self, member: "MemoryConsumer", positions: Positions) -> None:
        """Commit for a member. Raises MembershipLost for partitions that are not its own."""
        with self.lock:
            self.check()
            foreign = set(positions) - member.assignment()
            if foreign:
                raise MembershipLost(f"not the owner of {sorted(foreign)}")
            self._groups[member.group].committed.update(positions)

    def leave(self, member: "MemoryConsumer") -> None:
        """Take a member out in order."""
        with self.lock:
            group = self._groups[member.group]
            if member in group.members:
                self._hand_over(member, member.assignment())
                group.members.remove(member)
                self._rebalance(member.group)

    def check(self) -> None:
        """Raises BusUnavailable while the broker is switched off."""
        if not self.available:
            raise BusUnavailable("the in-memory broker is switched off")

    def _rebalance(self, name: str) -> None:
        group = self._groups[name]
        wanted = _share(group.members, self._topics)
        for member in group.members:
            self._hand_over(member, member.assignment() - wanted[id(member)])
        for member in group.members:
            fresh = wanted[id(member)] - member.assignment()
            member.unplaced |= {p: self.end(p) for p in fresh - group.committed.keys()}
            member.gain({partition: group.committed.get(partition, 0) for partition in fresh})

    def _hand_over(self, member: "MemoryConsumer", partitions: frozenset[Partition]) -> None:
        if partitions:
            positions = member.give_up(partitions)
            self._groups[member.group].committed.update(positions)


def _share(
    members: Sequence["MemoryConsumer"], topics: dict[str, list[list[Record]]]
) -> dict[int, frozenset[Partition]]:
    """Who gets what: a member keeps what it has up to its fair share; the rest is dealt out."""
    names = sorted({topic for member in members for topic in member.topics})
    free = [Partition(name, index) for name in names for index in range(len(topics[name]))]
    wanted: dict[int, list[Partition]] = {id(member): [] for member in members}
    quota = -(-len(free) // len(members)) if members else 0
    for member in members:
        kept = sorted(member.assignment() & set(free))[:quota]
        wanted[id(member)].extend(kept)
        free = [partition for partition in free if partition not in kept]
    for partition in free:
        min(wanted.values(), key=len).append(partition)
    return {key: frozenset(partitions) for key, partitions in wanted.items()}


class MemoryProducer:
    """Writes to a MemoryBroker."""

    def __init__(self, broker: MemoryBroker):
        self._broker = broker

    def publish(self, messages: Iterable[Outgoing]) -> None:
        """Write all, or nothing where one is too large."""
        everything = list(messages)
        for message in everything:
            self._broker.check_size(message)
            self._broker.check_partition(message)
        for message in everything:
            self._broker.append(message)

    def close(self) -> None:
        """Nothing to do."""


class MemoryConsumer:
    """A member of a group on a MemoryBroker."""

    def __init__(
        self,
        broker: MemoryBroker,
        group: str,
        topics: tuple[str, ...],
        listener: RebalanceListener | None,
        max_records: int,
    ):
        self._max_records = max_records
        self.group, self.topics = group, topics
        self._broker, self._listener = broker, listener
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._gaps: list[Gap] = []
        self.unplaced: dict[Partition, int] = {}  # begun without a position -> end

    def poll(self, timeout_s: float) -> list[Record]:
        """Records that have arrived, or nothing after the timeout."""
        found = self._take()
        if not found:
            time.sleep(min(timeout_s, 0.005))
            found = self._take()
        return found

    def _take(self) -> list[Record]:
        with self._broker.lock:  # partitions may be taken away by another thread
            return self._next()

    def _next(self) -> list[Record]:
        for partition in sorted(set(self._positions) - self._paused):
            self._pass_over(partition)
            records = self._broker.read(partition, self._positions[partition], self._max_records)
            if records:
                self._positions[partition] = records[-1].offset + 1
                return records
        return []

    def _pass_over(self, partition: Partition) -> None:
        while gap := self._broker.gap_at(partition, self._positions[partition]):
            self._gaps.append(gap)
            self._positions[partition] = gap.last + 1

    def gaps(self) -> list[Gap]:
        """Records that expired or cannot be unpacked."""
        found, self._gaps = self._gaps, []
        return found

    def begun(self) -> Positions:
        """Partitions that the group had no position for, and where they ended."""
        with self._broker.lock:
            found, self.unplaced = self.unplaced, {}
        return found

    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours now."""
        return frozenset(self._positions)

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop fetching from these."""
        self._paused |= set(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from these again."""
        self._paused -= set(partitions)

    def commit(self, positions: Positions) -> None:
        """Store positions."""
        self._broker.store(self, positions)

    def position(self, partition: Partition) -> int | None:
        """The offset of the next record to read."""
        return self._positions.get(partition)

    def lag(self) -> dict[Partition, int]:
        """Records not yet read."""
        return {p: self._broker.end(p) - offset for p, offset in self._positions.items()}

    def stable(self) -> bool:
        """Whether we are a member; rebalances here take no time."""
        return self in self._broker.members(self.group)

    def missing(self) -> frozenset[str]:
        """Topics we read that are not there."""
        return frozenset(topic for topic in self.topics if not self._broker.partitions(topic))

    def generation(self) -> object | None:
        """Ourselves, as long as the group has us."""
        return self if self.stable() else None

    def close(self) -> None:
        """Leave the group."""
        self._broker.leave(self)

    def gain(self, positions: dict[Partition, int]) -> None:
        """Take over partitions at their committed positions (called by the broker)."""
        if positions:
            if self._listener:  # told before the first record can be read
                self._listener.assigned(frozenset(positions))
            self._positions.update(positions)

    def give_up(self, partitions: frozenset[Partition]) -> dict[Partition, int]:
        """Hand partitions over; returns what may still be committed (called by the broker)."""
        self._drop(partitions)
        if self._listener is None:
            return {}
        self._listener.revoked(partitions)
        positions = self._listener.handover(partitions).positions
        return {p: offset for p, offset in positions.items() if p in partitions}

    def lose(self) -> None:
        """Everything is gone without a handover (called by the broker)."""
        gone = self.assignment()
        self._drop(gone)
        if self._listener and gone:
            self._listener.lost(gone)

    def _drop(self, partitions: frozenset[Partition]) -> None:
        self._paused -= partitions
        for partition in partitions:
            del self._positions[partition]
