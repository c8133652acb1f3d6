"""The independent reader: what came out, as anybody could read it from the topics.

It belongs to no worker and takes part in no group of theirs; what it sees twice was written twice.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from schemas.alarm import Alarm
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.envelope import event_type
from schemas.excerpt import excerpt
from schemas.explanation import Explanation
from schemas.interruption import Interruption
from schemas.outcome import Outcome
from workers.demo.books.lines import Observed, observe
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Consumer, Partition, Record
from workers.runtime.errors import Transient
from workers.runtime.settings.process import TopicSettings

_INTERRUPTION = event_type(Interruption.message_name).encode()
_POLL_S = 0.2
_NAMED = 5  # interruptions that are told one by one


class Observer:
    """Reads what workers, explainer and notifier publish in a thread of its own.

    The lists only ever grow; other threads may read them while it runs.
    """

    def __init__(self, connect: Callable[[], Consumer], topics: TopicSettings, book: Path) -> None:
        self._connect, self._topics, self._book = connect, topics, book
        self._next: dict[Partition, int] = {}
        self._stop, self._joined = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.outcomes: list[Observed] = []
        self.defects: dict[str, DefectEvent] = {}  # by frame id
        self.explanations: dict[str, Explanation] = {}  # by frame id: the latest word
        self.dead_letters: list[DeadLetter] = []
        self.interruptions: list[str] = []  # frames of which no record is in hand
        self.alarms: dict[str, Alarm] = {}  # by alarm id: the latest word
        self.passed = PassedOver()
        self.failure: Exception | None = None

    def start(self, timeout_s: float = 20.0) -> None:
        """Start reading; returns when the topics are being read, or after `timeout_s`."""
        self._thread.start()
        self._joined.wait(timeout_s)

    def finish(self) -> None:
        """Read what is left and stop."""
        self._stop.set()
        self._thread.join(10.0)

    def problems(self) -> list[str]:
        """What kept it from reading, in words."""
        failed = [f"the independent reader failed: {self.failure!r}"] if self.failure else []
        unread = self.passed.first
        told = [f"unreadable message on {each.at.topic}: {each.reason}" for each in unread]
        more = self.passed.count - len(unread)
        lost = [f"not inspected: {each}" for each in self.interruptions[:_NAMED]]
        return [*failed, *lost, *told, *([f"and {more} more that are unreadable"] if more else [])]

    def take(self, record: Record, now: float) -> None:
        """Note one record. A record that a rebalance delivers to us again is not news."""
        if record.offset < self._next.get(record.partition, 0):
            return
        self._next[record.partition] = record.offset + 1
        self.passed.read(record, lambda each: self._note(each, now))

    def _note(self, record: Record, now: float) -> None:
        topic = record.partition.topic
        if topic == self._topics.outcomes:
            self.outcomes.append(observe(Outcome.decode(record.headers, record.value), now))
        elif topic == self._topics.defects:
            event = DefectEvent.decode(record.headers, record.value)
            self.defects.setdefault(event.frame.frame_id, event)
        elif topic == self._topics.explanations:
            told = Explanation.decode(record.headers, record.value)
            self.explanations[told.frame.frame_id] = told
        elif topic == self._topics.dead_letters:
            self._note_rejected(record)
        elif topic == self._topics.alarms:
            alarm = Alarm.decode(record.headers, record.value)
            self.alarms[alarm.alarm_id] = alarm

    def _note_rejected(self, record: Record) -> None:
        """A dead letter, or an interruption: both stand in one topic."""
        if dict(record.headers).get("ce_type") == _INTERRUPTION:
            told = Interruption.decode(record.headers, record.value)
            self.interruptions.append(excerpt(told.error))
        else:
            self.dead_letters.append(DeadLetter.decode(record.headers, record.value))

    def _run(self) -> None:
        try:
            consumer = self._connect()
            try:
                self._read(consumer)
            finally:
                consumer.close()
        except Exception as error:  # told by the demo's main thread
            self.failure = error
            self._joined.set()

    def _read(self, consumer: Consumer) -> None:
        with self._book.open("a", encoding="utf-8") as book:
            while True:
                ending = self._stop.is_set()  # asked before the poll: one more after the request
                records = self._poll(consumer)
                seen = len(self.outcomes)
                for record in records:
                    self.take(record, time.time())
                book.writelines(outcome.to_line() for outcome in self.outcomes[seen:])
                book.flush()
                if consumer.stable():
                    self._joined.set()
                if ending and not records:
                    return

    def _poll(self, consumer: Consumer) -> list[Record]:
        try:
            return consumer.poll(_POLL_S)
        except Transient:
            self._stop.wait(_POLL_S)
            return []
