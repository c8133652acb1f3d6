"""Lines on standard error. One that cannot be made or written is dropped and counted, no more.

A process that ends because its log disk is full would end again after each restart.
"""

import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog

from workers.runtime.host.streams import dropped_lines, trouble

_log = structlog.get_logger(__name__)

_METHODS = (
    *("debug", "info", "warning", "warn", "error", "critical", "fatal", "exception"),
    *("log", "msg"),
)


class Lines:
    """Writes lines. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # telling of lost lines writes one
        self._telling = False
        self._untold = 0
        self._reason = ""
        self.dropped = 0

    def write(self, line: str) -> None:
        """Write a line; after a time of losses say how many there were. Never raises."""
        with self._lock:
            stream = sys.stderr
            before = dropped_lines(stream)
            try:
                stream.write(f"{line}\n")
                stream.flush()
            except Exception as error:  # also: no stream at all
                self.lose(error)
                return
            if dropped_lines(stream) > before:
                self.lose(trouble(stream), dropped_lines(stream) - before)
            elif self._untold and not self._telling:
                self._tell()

    def lose(self, error: Exception | None, lines: int = 1) -> None:
        """Count lines that are not there, and remember why."""
        with self._lock:
            self.dropped += lines
            self._untold += lines
            self._reason = _words(error)

    def _tell(self) -> None:
        untold, dropped = self._untold, self.dropped
        self._telling = True
        try:
            _log.warning("log lines were lost", lines=untold, reason=self._reason)
        finally:
            self._telling = False
        if self.dropped == dropped:
            self._untold -= untold


LINES = Lines()  # one, as there is one standard error


def unfailing(logger: type[Any]) -> type[Any]:
    """A logger whose calls never raise, whatever they are given to say."""

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **values: Any) -> Any:
            try:
                return method(self, *args, **values)
            except Exception as error:
                LINES.lose(error)
                return None

        return call

    methods = {name: guarded(getattr(logger, name)) for name in _METHODS}
    return type(f"Unfailing{logger.__name__}", (logger,), methods)


def _words(error: Exception | None) -> str:
    try:
        return repr(error)
    except Exception:
        return type(error).__name__
