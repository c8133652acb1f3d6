"""Reads a topic beside the group, on a thread of its own: what every notifier needs all of.

Without the topic, or the right to read it, the notifier goes on without: that is said once.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import structlog

from workers.runtime.bus.ports import Reader, Record
from workers.runtime.errors import WorkerError
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

_WAITING = 1000  # records read ahead of the loop
_POLL_S = 0.5
_AGAIN_S = 30.0  # until the topic is looked for once more


@dataclass(frozen=True, slots=True)
class Without:
    """What it means that a topic is not read, and the setting that names it."""

    meaning: str
    setting: str


STATES = Without(
    "camera states are not read: announced silences are told like any other",
    "topics.camera_states",
)
EXPLANATIONS = Without(
    "explanations are not read: alarms of defects go without their pictures",
    "topics.explanations",
)


class TopicFeed:
    """Records as they come. A context manager: it reads inside."""

    def __init__(
        self,
        connect: Callable[[Pulse], Reader],
        without: Without = STATES,
        again_s: float = _AGAIN_S,
    ) -> None:
        """`connect` opens the topic; the pulse is watched while its client is at work."""
        self._connect, self._without, self._again_s = connect, without, again_s
        self.pulse = Pulse()
        self._found: queue.Queue[Record] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=without.setting, daemon=True)
        self._failing = False

    def __enter__(self) -> "TopicFeed":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(2)

    def take(self) -> list[Record]:
        """What came since the last call."""
        found: list[Record] = []
        while len(found) < _WAITING:
            try:
                found.append(self._found.get_nowait())
            except queue.Empty:
                break
        return found

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with closing(self._connect(self.pulse)) as reader:
                    self._follow(reader)
            except WorkerError as error:
                self._tell(str(error))
            except Exception as error:  # a client's fault must not end what is announced
                self._tell(repr(error))
            self._stop.wait(self._again_s)

    def _follow(self, reader: Reader) -> None:
        if not reader.partitions:
            self._tell("there is no such topic")
            return
        while not self._stop.is_set():
            for record in reader.poll(_POLL_S):
                self._put(record)
            self._failing = False

    def _put(self, record: Record) -> None:
        while not self._stop.is_set():
            try:
                self._found.put(record, timeout=_POLL_S)
                return
            except queue.Full:
                continue

    def _tell(self, reason: str) -> None:
        if not self._failing:
            told = self._without
            log.warning(told.meaning, reason=reason[:500], setting=told.setting)
        self._failing = True
