"""Frames wait here for their outcomes, and outcomes for their frames; both within bounds."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.frame import Frame
from schemas.outcome import Outcome, outcome_id
from workers.runtime.bus.ports import Record

REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Decided:
    """A frame and what became of it: a verdict, `rejected`, or None when that is not known."""

    frame: Frame
    outcome: str | None


class Waiting:
    """Brings frames and outcomes together, whichever comes first.

    What does not fit is let go, the oldest first: an outcome that nobody asked for yet, or a frame
    whose outcome has not come. Such a frame's outcome is not known; it is never taken for good.
    """

    def __init__(
        self, *, outcomes: int, frame_bytes: int, wait_s: float, clock: Callable[[], float]
    ):
        self._outcomes, self._frame_bytes = outcomes, frame_bytes
        self._wait_s, self._clock = wait_s, clock
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._frames: OrderedDict[bytes, tuple[Frame, float]] = OrderedDict()
        self._held = 0
        self._ready: list[Decided] = []
        self.forgotten = 0  # outcomes that there was no room for

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Frame, record: Record) -> None:
        """A frame that wants its outcome, and the record that it came in."""
        at = record.partition
        key = _key(
            outcome_id(frame.source, frame.frame_id, frame.run), at.topic, at.index, record.offset
        )
        known = self._known.get(key)
        if known is not None:
            self._ready.append(Decided(frame, known))
        elif key not in self._frames:
            self._frames[key] = frame, self._clock()
            self._held += len(frame.data)

    def note(self, outcome: Outcome) -> None:
        """An outcome; of its frame if it waits, else remembered."""
        at = outcome.record
        key = _key(outcome.outcome_id, at.topic, at.partition, at.offset)
        told = outcome.verdict.value if outcome.verdict else REJECTED
        waiting = self._frames.pop(key, None)
        if waiting is not None:
            self._held -= len(waiting[0].data)
            self._ready.append(Decided(waiting[0], told))
        self._known[key] = told
        while len(self._known) > self._outcomes:
            self._known.popitem(last=False)
            self.forgotten += 1

    def decided(self, *, last: bool = False) -> Iterator[Decided]:
        """Frames that need not wait any longer; all of them at the `last` call."""
        yield from self._ready
        self._ready.clear()
        while self._frames:
            key, (frame, since) = next(iter(self._frames.items()))
            overdue = self._clock() - since >= self._wait_s
            if not (last or overdue or self._held > self._frame_bytes):
                return
            del self._frames[key]
            self._held -= len(frame.data)
            yield Decided(frame, None)


def _key(name: str, topic: str, partition: int, offset: int) -> bytes:
    """Of a frame and its outcome: 16 bytes.

    An id alone may be used again (a camera that counts anew), coordinates alone too (a topic that
    was made anew): a bad part must not come among the good ones for it.
    """
    text = "\x1f".join((name, topic, str(partition), str(offset)))
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]
