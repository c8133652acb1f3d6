"""Failed logins are counted for a minute, by name and by address; many close the door."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

_WINDOW_S = 60.0
_REMEMBERED = 10_000  # names and addresses


class Attempts:
    """Bounded in memory, whatever names are tried. Any thread."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic):
        self._most, self._now = most, now
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, who: Iterable[str]) -> float:
        """Seconds until any of them may try again; 0: now."""
        with self._lock:
            return max((self._wait(each) for each in who), default=0.0)

    def _wait(self, who: str) -> float:
        times = self._failures.get(who)
        if not times or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + _WINDOW_S - self._now())

    def failed(self, who: Iterable[str]) -> None:
        """One more."""
        with self._lock:
            for each in who:
                times = self._failures.setdefault(each, deque(maxlen=self._most))
                times.append(self._now())
                self._failures.move_to_end(each)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def passed(self, name: str) -> None:
        """A name that got in begins anew; its address does not."""
        with self._lock:
            self._failures.pop(name, None)
