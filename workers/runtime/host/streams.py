"""Standard output and error that cannot end a process.

A full disk, a reader that left, a stream that was closed before the start, a locale without our
signs: what cannot be written is dropped and counted, and the work goes on.
"""

import errno
import io
import os
import select
import stat
import sys
from typing import IO, Any, Self, TextIO

_PATIENCE_S = 1.0  # with somebody who does not read what is logged
_PIPE_BYTES = 4096  # so much goes into a pipe with room without waiting (Linux: PIPE_BUF)


class Outlet(io.FileIO):
    """A file descriptor that takes everything it is given, and knows what it had to drop."""

    def __init__(self, descriptor: int, *, patient: bool) -> None:
        """`patient`: waits for a reader for as long as it takes."""
        super().__init__(descriptor, "w", closefd=False)
        mode = os.fstat(descriptor).st_mode
        self._may_wait = not (stat.S_ISREG(mode) or patient)
        self._patience_s = _PATIENCE_S
        self._torn = False
        self.dropped_lines = 0
        self.trouble: OSError | None = None  # with the last write
        self.first_loss: OSError | None = None  # not counting a reader that left

    def write(self, data: Any, /) -> int:
        """Write all of it, or drop the rest of it. Never raises OSError."""
        rest = memoryview(data).cast("B")
        whole = len(rest)
        try:
            if self._torn:
                self._some(memoryview(b"\n"))
                self._torn = False
            while rest:
                rest = rest[self._some(rest) :]
        except OSError as error:
            self._torn = self._torn or len(rest) < whole
            self._drop(rest, error)
        else:
            self.trouble, self._patience_s = None, _PATIENCE_S
        return whole

    def _some(self, rest: memoryview) -> int:
        if self._may_wait and not self._has_room():
            raise TimeoutError(errno.ETIMEDOUT, "nobody reads it")
        written = super().write(rest[:_PIPE_BYTES] if self._may_wait else rest)
        if written is None:  # a descriptor that does not block, and no room
            self._poll(None)
        return written or 0

    def _has_room(self) -> bool:
        ready = self._poll(self._patience_s)
        if not ready:
            self._patience_s = 0.0  # until it reads again
        return ready

    def _poll(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def _drop(self, rest: memoryview, error: OSError) -> None:
        self.dropped_lines += max(1, bytes(rest).count(b"\n"))
        self.trouble = error
        if error.errno != errno.EPIPE and self.first_loss is None:
            self.first_loss = error


class Stream(io.TextIOWrapper):
    """Text for an outlet; nothing is held back, so that nothing is left to fail at the end."""

    def __init__(self, outlet: Outlet, encoding: str) -> None:
        super().__init__(outlet, encoding, "backslashreplace", write_through=True)
        self.outlet = outlet

    @classmethod
    def on(cls, descriptor: int, former: TextIO | None, *, patient: bool) -> Self:
        """In the place of a stream of the interpreter."""
        encoding = getattr(former, "encoding", None) or "utf-8"
        return cls(Outlet(descriptor, patient=patient), encoding)


def guard_streams() -> None:
    """Replace the interpreter's streams. Call it before anything is opened."""
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    if _is_on(sys.stdout, 1):
        sys.stdout = Stream.on(1, sys.stdout, patient=True)
    if _is_on(sys.stderr, 2):
        sys.stderr = Stream.on(2, sys.stderr, patient=False)


def trouble(stream: IO[str] | None) -> OSError | None:
    """Why the last write to a stream was dropped, or None."""
    return stream.outlet.trouble if isinstance(stream, Stream) else None


def dropped_lines(stream: TextIO | None) -> int:
    """How many lines a stream had to drop."""
    return stream.outlet.dropped_lines if isinstance(stream, Stream) else 0


def loss(stream: TextIO | None) -> OSError | None:
    """Why a stream does not hold all that was written; None too when its reader left."""
    return stream.outlet.first_loss if isinstance(stream, Stream) else None


def _occupy(descriptor: int) -> None:
    """Else the next file or socket would get its number, and what is printed."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _is_on(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is None or stream.fileno() == descriptor
    except (OSError, ValueError):  # somebody captures it
        return False
