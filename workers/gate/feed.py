"""Reads a topic beside any group, on a thread of its own, and opens it again when it fails.

A member of a group that was killed keeps its partitions until its session is over: ten seconds in
which a started gate would read nothing. And two gates of a group would get half of the parts each.
So a gate reads whole topics, from shortly before its start; what it answered stands in its journal.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import structlog

from schemas.errors import SchemaError
from workers.gate.parts import Told
from workers.runtime.bus.ports import Reader, Record
from workers.runtime.errors import TopicMissing, WorkerError
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

Connect = Callable[[Pulse, datetime], Reader]

_POLL_S = 0.1
_ASK_S = 1.0  # between two questions whether the broker is there
_AGAIN_S = 1.0  # until a topic that failed is opened again
WAITING = 10_000  # parts and outcomes read ahead of the loop


class Feed:
    """One topic. A context manager: it reads inside."""

    def __init__(
        self,
        topic: str,
        connect: Connect,
        read: Callable[[Record], Told | None],
        into: "queue.Queue[Told]",
        *,
        back_s: float,
    ) -> None:
        """Begins `back_s` before now; what was read before is told again."""
        self._topic, self._connect, self._read, self._into = topic, connect, read, into
        self._back = timedelta(seconds=back_s)
        self._heard = datetime.now(UTC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gate-{topic}", daemon=True)
        self.pulse = Pulse()
        self.problem: str | None = f"{topic} is not read yet"
        self.unreadable = 0  # records that tell of no part

    def __enter__(self) -> "Feed":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with closing(self._connect(self.pulse, self._heard - self._back)) as reader:
                    self._follow(reader)
            except WorkerError as error:
                self._tell(str(error))
            except Exception as error:  # a client's fault must not end the gate
                self._tell(repr(error))
            self._stop.wait(_AGAIN_S)

    def _follow(self, reader: Reader) -> None:
        if not reader.partitions:
            raise TopicMissing([self._topic])
        asked_s = 0.0
        while not self._stop.is_set():
            if time.monotonic() - asked_s >= _ASK_S:
                reader.ask()
                asked_s, self._heard = time.monotonic(), datetime.now(UTC)
                self._well()
            for record in reader.poll(_POLL_S):
                self._take(record)
            for gap in reader.gaps():
                self.unreadable += gap.records

    def _take(self, record: Record) -> None:
        try:
            told = self._read(record)
        except SchemaError as error:  # its part shows as a number that is missing
            self.unreadable += 1
            where = f"{record.partition.topic} {record.partition.index} {record.offset}"
            log.warning("a record tells of no part", record=where, reason=str(error)[:300])
            return
        while told is not None and not self._stop.is_set():
            try:
                self._into.put(told, timeout=_POLL_S)
                return
            except queue.Full:
                continue

    def _well(self) -> None:
        if self.problem:
            log.info("reading", topic=self._topic)
        self.problem = None

    def _tell(self, reason: str) -> None:
        if reason != self.problem:
            log.error("not read: parts are not inspected", topic=self._topic, reason=reason[:500])
        self.problem = f"{self._topic}: {reason}"
