"""A few daemon threads: some that wait for decoders, some for pictures and messages.

Unlike `concurrent.futures`, they do not keep a process alive whose decoder or store hangs. The
queue needs no bound of its own: everything in it is counted by `flow.InFlight`.
"""

import math
import threading
from collections.abc import Callable, Hashable

from workers.inspector.pipeline.turns import Task, Turn, Turns
from workers.runtime.settling.flow import Open


class Pool:
    """Runs tasks on `size` threads. A task that raises ends the process through `on_error`."""

    def __init__(
        self,
        size: int,
        name: str,
        on_error: Callable[[BaseException], None],
        slow_s: float = math.inf,
    ):
        """Lines whose tasks take longer than `slow_s` leave a thread to the others."""
        self._turns, self._change = Turns(size, slow_s), threading.Condition()
        self._open = Open()
        self._since: dict[int, float] = {}  # thread -> when its task began
        self._on_error = on_error
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True)
            for index in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, line: Hashable = None) -> None:
        """Run a task soon; a `line` of tasks that take long delays no other line."""
        self._open.add(1)
        with self._change:
            self._turns.put(line, task)
            self._change.notify()

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return not self._open

    def busy_s(self, now: float) -> float:
        """For how long the oldest running task has been running (seconds)."""
        return now - min(list(self._since.values()), default=now)

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            turn = self._next()
            self._since[me] = turn.began
            try:
                turn.task()
            except BaseException as error:
                self._on_error(error)
            del self._since[me]
            self._done(turn)
            self._open.add(-1)

    def _next(self) -> Turn:
        with self._change:
            while (turn := self._turns.take()) is None:
                self._change.wait()
            return turn

    def _done(self, turn: Turn) -> None:
        with self._change:
            self._turns.done(turn)
            self._change.notify_all()  # a line may have been waiting for this
