"""A few daemon threads for decoding, pictures and messages.

Unlike `concurrent.futures`, they do not keep a process alive whose decoder or store hangs. The
queue needs no bound of its own: everything in it is counted by `flow.InFlight`.
"""

import queue
import threading
import time
from collections.abc import Callable

from workers.inspector.guard.flow import Open

Task = Callable[[], None]


class Pool:
    """Runs tasks on `size` threads. A task that raises ends the process through `on_error`."""

    def __init__(self, size: int, name: str, on_error: Callable[[BaseException], None]):
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._open = Open()
        self._since: dict[int, float] = {}  # thread -> when its task began
        self._on_error = on_error
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True)
            for index in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Run a task soon."""
        self._open.add(1)
        self._tasks.put(task)

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return not self._open

    def busy_s(self, now: float) -> float:
        """For how long the oldest running task has been running (seconds)."""
        return now - min(list(self._since.values()), default=now)

    def _work(self) -> None:
        me = threading.get_ident()
        while (task := self._tasks.get()) is not None:
            self._since[me] = time.monotonic()
            try:
                task()
            except BaseException as error:
                self._on_error(error)
            del self._since[me]
            self._open.add(-1)

    def close(self, timeout_s: float) -> None:
        """Stop after the tasks that are already queued."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(timeout_s)
