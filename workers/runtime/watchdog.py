"""Ends a process whose thread hangs in a library: seen from another thread, which still runs.

Only a new process helps against a client that spins or waits for ever. A supervisor starts it; what
was not committed is read again.
"""

import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import structlog

from workers.runtime.errors import DeviceHung

log = structlog.get_logger(__name__)

STOPPING_S = 10.0  # a thread that does not notice a signal for so long hangs
_LOOK_S = 1.0
_TELLING_S = 5.0  # a log that hangs too must not keep the process
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Pulse:
    """When a thread last came round. Not watched before its first beat, nor while it rests."""

    def __init__(self) -> None:
        self._at: float | None = None
        self.thread: int | None = None

    def beat(self, allow_s: float = 0.0) -> None:
        """The calling thread is alive, and may be busy for so long beyond the usual."""
        self._at, self.thread = time.monotonic() + allow_s, threading.get_ident()

    def rest(self) -> None:
        """It waits for something that may take any time."""
        self._at = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What is done meanwhile must end in time."""
        self.beat()
        try:
            yield
        finally:
            self.rest()

    @property
    def silent_s(self) -> float:
        """Seconds since the last beat; at most 0 while it rests, or may be busy."""
        at = self._at
        return 0.0 if at is None else time.monotonic() - at


class Watchdog:
    """Watches pulses while it is entered; ends the process with 75 when one stops.

    A signal is noticed even while the main thread is in native code: the interpreter's handler only
    writes to a socket, which is read here.
    """

    def __init__(
        self,
        pulse: Pulse,
        patience_s: float,
        end: Callable[[int], None] = os._exit,
        *,
        others: Sequence[Pulse] = (),
    ) -> None:
        """`pulse` is of the thread that heeds signals. `patience_s`: kafka.hung_after_s."""
        self.patience_s = patience_s
        self._pulse, self._others, self._end = pulse, others, end
        self._signalled: float | None = None
        self._before = -1  # who was woken before
        self._woken, self._wake = socket.socketpair()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._wake.setblocking(False)
            wake = self._wake.fileno()
            self._before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._before)
        self._stopping.set()
        self._wake.close()
        self._thread.join(_LOOK_S)

    def _run(self) -> None:
        look_s = min(_LOOK_S, self.patience_s / 4)
        while not self._stopping.is_set():
            self._listen(look_s)
            hangs = self._hanging()
            if hangs is not None:
                self._give_up(hangs)
                return

    def _hanging(self) -> Pulse | None:
        silent = self._pulse.silent_s
        if silent > self._patience_s(silent):
            return self._pulse
        return next((each for each in self._others if each.silent_s > self.patience_s), None)

    def _listen(self, seconds: float) -> None:
        if not select.select([self._woken], [], [], seconds)[0]:
            return
        told = self._woken.recv(64)
        if not told:  # closed
            self._stopping.wait(seconds)
        elif self._signalled is None and any(number in _SIGNALS for number in told):
            self._signalled = time.monotonic()

    def _patience_s(self, silent: float) -> float:
        """How long it may be silent: since a signal that it has not noticed, not so long."""
        if self._signalled is None:
            return self.patience_s
        since = time.monotonic() - self._signalled
        noticed = silent < since
        return self.patience_s if noticed else min(self.patience_s, silent - since + STOPPING_S)

    def _give_up(self, pulse: Pulse) -> None:
        killer = threading.Timer(_TELLING_S, self._end, (DeviceHung.exit_code,))
        killer.daemon = True
        killer.start()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        log.critical(
            "a thread hangs: ending the process (setting kafka.hung_after_s)",
            thread=names.get(pulse.thread, "gone"),
            silent_s=round(pulse.silent_s, 1),
            stack=_stack(pulse.thread),
            others={name: _stack(ident, 3) for ident, name in names.items()},
        )
        sys.stderr.flush()
        sys.stdout.flush()
        self._end(DeviceHung.exit_code)


def _stack(thread: int | None, most: int = 50) -> str:
    """Where a thread is, the innermost calls last."""
    frame = sys._current_frames().get(thread or 0)
    return "".join(traceback.format_stack(frame)[-most:]) if frame else ""
