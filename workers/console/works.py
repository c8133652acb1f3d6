"""Long acts, each on a thread of its own: pages show how far they are, and nobody waits."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

_KEPT = 100  # acts that are remembered

Say = Callable[[str], None]


@dataclass(slots=True)
class Work:
    """An act: what it does now, or how it ended."""

    by: str
    said: str = "begins"
    over: bool = False
    failed: bool = False


class Works:
    """At most one act of a name at a time. Any thread."""

    def __init__(self) -> None:
        self._works: OrderedDict[str, Work] = OrderedDict()
        self._lock = threading.Lock()

    def last(self, name: str) -> Work | None:
        """The act of that name that is under way, or was the last."""
        with self._lock:
            return self._works.get(name)

    def begin(self, name: str, by: str, act: Callable[[Say], str]) -> bool:
        """Do it, and keep what it returns; False: one is under way."""
        with self._lock:
            known = self._works.get(name)
            if known is not None and not known.over:
                return False
            work = self._works[name] = Work(by)
            self._works.move_to_end(name)
            while len(self._works) > _KEPT:
                self._works.popitem(last=False)
        thread = threading.Thread(target=_run, args=(work, act), name=f"act-{name}", daemon=True)
        thread.start()
        return True


def _run(work: Work, act: Callable[[Say], str]) -> None:
    def say(step: str) -> None:
        work.said = step

    try:
        work.said = act(say)
    except Exception as error:  # told on the page: a fault of one act must not end the pages
        log.warning("an act was not done", by=work.by, reason=repr(error)[:500])
        work.said, work.failed = str(error) or repr(error), True
    work.over = True
