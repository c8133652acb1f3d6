"""Lines that repeat themselves: the first of a minute are shown, the others counted.

What counts as the same is the logger and the event's words; its values may differ. The next line
of a later minute says how many were left out in between.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

_WINDOW_S = 60.0
_WORDS = 200  # characters: the start says what it is
_KEYS = 500  # other libraries put values into their words: without a bound that would grow

Key = tuple[str, str]  # logger, words


@dataclass(slots=True)
class _Window:
    began: float
    shown: int = 0
    left_out: int = 0


class Repeats:
    """Counts lines. Any thread."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most` lines of a kind are shown in a minute; 0: all of them."""
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._windows: dict[Key, _Window] = {}

    def see(self, logger: str, words: str) -> int | None:
        """None: leave the line out. Else how many before it were, which it should say."""
        if not self._most:
            return 0
        with self._lock:
            window, before = self._window((logger, words[:_WORDS]))
            if window.shown < self._most:
                window.shown += 1
                return before
            window.left_out += 1
            return None

    def rest(self) -> dict[str, int]:
        """What was left out and not told yet, by words; forgotten then."""
        with self._lock:
            rest = {words: w.left_out for (_, words), w in self._windows.items() if w.left_out}
            self._windows.clear()
        return rest

    def _window(self, key: Key) -> tuple[_Window, int]:
        """The line's minute, and how many were left out in an earlier one."""
        now, window = self._clock(), self._windows.get(key)
        if window is not None and now - window.began < _WINDOW_S:
            return window, 0
        if window is None and len(self._windows) >= _KEYS:
            self._windows.pop(next(iter(self._windows)))
        fresh = self._windows[key] = _Window(now)
        return fresh, window.left_out if window else 0


def limit(repeats: Repeats) -> Callable[[Any, str, Any], Any]:
    """A structlog processor; it wants the logger's name in the event."""

    def processor(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
        before = repeats.see(event["logger"], str(event.get("event")))
        if before is None:
            raise structlog.DropEvent
        return _with(event, before)

    return processor


class LimitForeign(logging.Filter):
    """The same for other libraries' lines, by their words before the values are put in."""

    def __init__(self, repeats: Repeats) -> None:
        super().__init__()
        self._repeats = repeats

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown."""
        before = self._repeats.see(record.name, str(record.msg))
        record.left_out = before or 0
        return before is not None


def tell_foreign(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
    """A structlog processor behind LimitForeign: logger, and what was left out."""
    record = event["_record"]
    event["logger"] = record.name
    return _with(event, getattr(record, "left_out", 0))


def _with(event: Mapping[str, Any], left_out: int) -> Mapping[str, Any]:
    return {**event, "left_out": left_out} if left_out else event
