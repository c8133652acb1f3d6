"""How a process starts, stops and says why it ended."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import structlog

from workers.runtime.errors import Fatal, WorkerError
from workers.runtime.host.terminal import lines
from workers.runtime.secrets import conceal
from workers.runtime.settings.process import LogSettings
from workers.runtime.telemetry.lines import LINES
from workers.runtime.telemetry.logs import setup_logging

log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_EXIT_SIGNAL = 128
_CLOSING_S = 5.0  # to abort a transaction and leave the group after the second signal
_EXIT_CRASH = 70  # EX_SOFTWARE
_EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: a server went away and did not come back


class StopSignal:
    """Set by SIGTERM or SIGINT.

    The first signal asks for an orderly end; within `at_once` it ends the process there and then.
    The second one gives up what is in work (SystemExit in the main thread, so that everything is
    closed); a third one, or a closing that takes too long, ends the process where it stands.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signals = 0
        self._at_once = False

    def install(self) -> "StopSignal":
        """Listen for the signals (main thread only)."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._signals += 1
        self._event.set()
        if self._signals == 1:
            if self._at_once:
                raise SystemExit(0)
            return
        code = _EXIT_SIGNAL + number
        if self._signals > 2:
            os._exit(code)
        log.warning("second signal: giving up what is in work")
        watchdog = threading.Timer(_CLOSING_S, os._exit, (code,))
        watchdog.daemon = True
        watchdog.start()
        raise SystemExit(code)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Where nothing is in work yet: searching a server or loading a model waits for nobody."""
        if self._signals:
            raise SystemExit(0)
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def set(self) -> None:
        """Ask for a stop from inside the process."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake up for a stop. Returns whether a stop was asked for."""
        return self._event.wait(seconds)


def run_process(
    name: str,
    settings: LogSettings,
    body: Callable[[StopSignal], None],
    ids: Mapping[str, str] | None = None,
) -> int:
    """Run a process's body and turn its end into an exit code and one clear line.

    `ids` name this process on each line of its log.
    """
    tell_repeats = setup_logging(settings, name, ids)
    try:
        return _run(name, body)
    finally:
        tell_repeats()


def leave(code: int) -> None:
    """End the process there and then if a daemon thread is still at work; everything is closed.

    A thread inside native code (a device that computes, or hangs) would turn the interpreter's
    own end into an abort: exit code 134, which says that a library crashed.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed
                stream.flush()
        os._exit(code)


def _run(name: str, body: Callable[[StopSignal], None]) -> int:
    stop = StopSignal().install()
    try:
        body(stop)
    except Fatal as error:
        return _end(name, error, error.exit_code)
    except WorkerError as error:
        return _end(name, error, _EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        return _EXIT_SIGNAL + signal.SIGINT
    except Exception as error:
        log.exception("crashed")
        return _end(name, error, _EXIT_CRASH)
    return 0


def _end(name: str, error: Exception, code: int) -> int:
    LINES.write(lines(f"stream-inspector {name}: {conceal(str(error))}"))
    return code
