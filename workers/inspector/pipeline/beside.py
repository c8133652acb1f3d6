"""What versions on trial say -> their topic, on a thread and a connection of their own.

Nothing of it may cost a frame: what the broker does not take in time is dropped, and counted.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.errors import WorkerError

_log = structlog.get_logger(__name__)

_MOST = 4096  # messages that wait: a few MB
_AT_ONCE = 256
_REST_S = 10.0  # after a failure
_CLOSING_S = 5.0


class ShadowWriter:
    """Publishes in the background. It connects when there is something to say."""

    def __init__(self, connect: Callable[[], Producer], rest_s: float = _REST_S) -> None:
        self._connect, self._rest_s = connect, rest_s
        self._waiting: deque[Outgoing] = deque(maxlen=_MOST)
        self._producer: Producer | None = None
        self._news, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)
        self.dropped = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._news.set()
        self._thread.join(_CLOSING_S)

    def put(self, message: Outgoing) -> None:
        """Hand over a message. Any thread; never blocks."""
        self.dropped += len(self._waiting) == _MOST
        self._waiting.append(message)
        self._news.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.wait()
            self._news.clear()
            self._write()
        self._write()
        if self._producer is not None:
            with suppress(Exception):
                self._producer.close()

    def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                self._producer = self._producer or self._connect()
                self._producer.publish(batch)
            except WorkerError as error:
                self.dropped += len(batch)
                _log.warning(
                    "what a shadow says is dropped", messages=self.dropped, reason=str(error)
                )
                self._stop.wait(self._rest_s)
                if self._stop.is_set():
                    return
