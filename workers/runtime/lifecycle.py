"""How a process starts, stops and says why it ended."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from workers.runtime.errors import Fatal, WorkerError
from workers.runtime.settings import LogSettings
from workers.runtime.telemetry import setup_logging

log = structlog.get_logger()

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_EXIT_SIGNAL = 128
_EXIT_CRASH = 70  # EX_SOFTWARE
_EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: a server went away and did not come back


class StopSignal:
    """Set by SIGTERM or SIGINT; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> "StopSignal":
        """Listen for the signals (main thread only)."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._event.is_set():
            os._exit(_EXIT_SIGNAL + number)
        self._event.set()

    def set(self) -> None:
        """Ask for a stop from inside the process."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake up for a stop. Returns whether a stop was asked for."""
        return self._event.wait(seconds)


def run_process(name: str, settings: LogSettings, body: Callable[[StopSignal], None]) -> int:
    """Run a process's body and turn its end into an exit code and one clear line."""
    setup_logging(settings, name)
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
    sys.stderr.write(f"stream-inspector {name}: {error}\n")
    return code
