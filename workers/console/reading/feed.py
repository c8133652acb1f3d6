"""Follows a topic on a thread of its own: each batch and the position after it are one transaction.

The history remembers where reading goes on, not a group: a row is there if and only if its record
was read. Two consoles on one database read both, and write the same rows.
"""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from schemas.errors import SchemaError
from workers.console.history import tables
from workers.console.history.database import Database, insert
from workers.console.history.writing import Write
from workers.runtime.bus.ports import Reader, Record
from workers.runtime.errors import TopicMissing, WorkerError
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

Connect = Callable[[Pulse, Mapping[int, int]], Reader]  # the pulse, and where to go on

_POLL_S = 0.2
_ASK_S = 2.0  # between two questions whether the broker is there
_AGAIN_S = 2.0  # until a topic that failed is opened again
_BATCH, _BATCH_S = 500, 0.5  # records of a transaction, or what came in so long
_PATIENCE_S = 3600.0  # of what waits for a topic that is not read
_TOLD = 20  # records that are told one by one


@dataclass(frozen=True, slots=True)
class Source:
    """A topic, what its messages are, and where they go."""

    topic: str
    read: Callable[[Record], Any]  # None: of no interest; raises SchemaError
    write: Write


class Feed:
    """One topic. A context manager: it reads inside."""

    def __init__(self, source: Source, connect: Connect, database: Database):
        self.topic, self._source = source.topic, source
        self._connect, self._database = connect, database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{self.topic}", daemon=True)
        self.pulse = Pulse()
        self.problem: str | None = f"{self.topic}: not read yet"
        self.passed_over = self.read = self.left = 0
        self.caught_up = False  # what the topic had when it was opened is in the history

    def __enter__(self) -> "Feed":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(3)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with closing(self._connect(self.pulse, self.positions())) as reader:
                    self._follow(reader)
            except WorkerError as error:
                self._tell(str(error))
            except Exception as error:  # a fault of one topic must not end the pages
                self._tell(repr(error))
            self._stop.wait(_AGAIN_S)

    def positions(self) -> dict[int, int]:
        """Partition -> the next offset."""
        where = tables.positions.c.topic == self.topic
        found = select(tables.positions.c.partition, tables.positions.c.next).where(where)
        with self._database.read() as connection:
            return dict(tuple(row) for row in connection.execute(found))

    def _follow(self, reader: Reader) -> None:
        if not reader.partitions:
            raise TopicMissing([self.topic])
        asked_s, self.caught_up = 0.0, False
        while not self._stop.is_set():
            if time.monotonic() - asked_s >= _ASK_S:
                reader.ask()
                self.left, asked_s = reader.left(), time.monotonic()
                self._well()
            records = self._batch(reader)
            self.passed_over += sum(gap.records for gap in reader.gaps())
            if records:
                self.keep(records)
            self.caught_up = self.caught_up or reader.at_end()

    def _batch(self, reader: Reader) -> list[Record]:
        records: list[Record] = []
        until = time.monotonic() + _BATCH_S
        while len(records) < _BATCH and time.monotonic() < until:
            found = reader.poll(_POLL_S)
            records += found
            if not found:
                break
        return records

    def keep(self, records: Sequence[Record]) -> None:
        """Write what the records say, and where reading goes on. Raises StoreUnavailable."""
        messages = [told for record in records if (told := self._understood(record)) is not None]
        with self._database.write() as connection:
            self._write(connection, messages)
            self._move(connection, records)
        self.read += len(records)

    def _understood(self, record: Record) -> Any | None:
        try:
            return self._source.read(record)
        except SchemaError as error:
            self._pass_over(f"{record.partition.index} {record.offset}", str(error))
            return None

    def _write(self, connection: Connection, messages: Sequence[Any]) -> None:
        """All at once; where the database refuses one of them, each alone."""
        try:
            with connection.begin_nested():
                self._source.write(connection, messages)
        except SQLAlchemyError:
            for message in messages:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(self._passing_over(message))
                    stack.enter_context(connection.begin_nested())
                    self._source.write(connection, [message])

    @contextlib.contextmanager
    def _passing_over(self, message: Any) -> Any:
        try:
            yield
        except SQLAlchemyError as error:
            if getattr(error, "connection_invalidated", False):
                raise
            self._pass_over(str(getattr(message, "event_id", "")), repr(error))

    def _move(self, connection: Connection, records: Sequence[Record]) -> None:
        ends: dict[int, int] = defaultdict(int)
        for record in records:
            ends[record.partition.index] = record.offset + 1
        made = insert(connection)(tables.positions)
        statement = made.on_conflict_do_update(
            index_elements=["topic", "partition"], set_={"next": made.excluded.next}
        )
        rows = [{"topic": self.topic, "partition": p, "next": n} for p, n in ends.items()]
        connection.execute(statement, rows)

    def _pass_over(self, record: str, reason: str) -> None:
        self.passed_over += 1
        if self.passed_over <= _TOLD:
            log.warning("passed over", topic=self.topic, record=record, reason=reason[:300])

    def _well(self) -> None:
        if self.problem:
            log.info("reading", topic=self.topic, left=self.left)
        self.problem = None

    def _tell(self, reason: str) -> None:
        problem = f"{self.topic}: {reason}"
        if problem != self.problem:
            log.error("not read: pages show what was", topic=self.topic, reason=reason[:500])
        self.problem = problem


def problems(feeds: Iterable[Feed]) -> list[str]:
    """What is wrong, each reason once: a broker that is away is so for every topic."""
    topics: dict[str, list[str]] = defaultdict(list)
    for feed in feeds:
        if feed.problem:
            topics[feed.problem.removeprefix(f"{feed.topic}: ")].append(feed.topic)
    return [f"{', '.join(names)}: {reason}" for reason, names in topics.items()]


class Lag:
    """Whether the history lacks what the topics have: what is made once, like a report, waits."""

    def __init__(self, feeds: Iterable[Feed], patience_s: float = _PATIENCE_S):
        self._feeds, self._patience_s = tuple(feeds), patience_s
        self._since_s = time.monotonic()

    def lasts(self) -> bool:
        """Whether to wait; no longer than the patience, since a topic may be missing for ever."""
        now = time.monotonic()
        if any(feed.problem or not feed.caught_up or feed.left > _BATCH for feed in self._feeds):
            return now - self._since_s < self._patience_s
        self._since_s = now
        return False
