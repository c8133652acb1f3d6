"""Frames that wait for the broker: in memory, in order, never more than a stated number of bytes.

A frame stays counted until the broker has it; what happens when there is no room is the policy.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from schemas.frame import Frame
from workers.camera.sources import Shot

WhenFull = Literal["block", "drop-oldest", "drop-newest"]
_HEADERS_BYTES = 1024  # what a frame costs beside its data, rounded up
_BLOCK_TICK_S = 0.1  # how often a blocked capture looks whether it should give up


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame with where it came from."""

    frame: Frame
    shot: Shot
    partition: int | None = None  # None: by the hash of the camera id

    @property
    def size(self) -> int:
        """Bytes of memory it holds."""
        return len(self.frame.data) + _HEADERS_BYTES


class Spool:
    """A bounded queue between one capturing thread and one sending thread."""

    def __init__(self, max_bytes: int, when_full: WhenFull) -> None:
        self._max_bytes, self.when_full = max_bytes, when_full
        self._waiting: deque[Captured] = deque()
        self._bytes = 0  # waiting and in flight
        self._in_flight = 0
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0

    def fits(self, item: Captured) -> bool:
        """Whether there is room. An item larger than the whole spool fits when it is empty."""
        return self._bytes == 0 or self._bytes + item.size <= self._max_bytes

    def put(self, item: Captured, give_up: Callable[[], bool]) -> bool:
        """Queue a frame. False when it was dropped, or when `give_up` said so while blocked."""
        with self._changed:
            while not self.fits(item):
                if self.when_full == "block":
                    if give_up():
                        return False
                    self._changed.wait(_BLOCK_TICK_S)
                elif self.when_full == "drop-oldest" and self._waiting:
                    self._drop_oldest()
                else:  # drop-newest, or all that is held is in flight and cannot be taken back
                    self.dropped += 1
                    return False
            self._waiting.append(item)
            self._bytes += item.size
            self._changed.notify_all()
            return True

    def take(self, max_bytes: int) -> list[Captured]:
        """The oldest frames, at least one; waits for them. Empty: closed and drained."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch: list[Captured] = []
            room = max_bytes
            while self._waiting and (not batch or self._waiting[0].size <= room):
                room -= self._waiting[0].size
                batch.append(self._waiting.popleft())
            self._in_flight = len(batch)
            return batch

    def settle(self, batch: list[Captured]) -> None:
        """The broker has these: forget them."""
        with self._changed:
            self._bytes -= sum(item.size for item in batch)
            self._in_flight = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def held(self) -> int:
        """Frames that the broker does not have yet."""
        return len(self._waiting) + self._in_flight

    @property
    def held_bytes(self) -> int:
        """Bytes of the frames that the broker does not have yet."""
        return self._bytes

    def _drop_oldest(self) -> None:
        self._bytes -= self._waiting.popleft().size
        self.dropped += 1
