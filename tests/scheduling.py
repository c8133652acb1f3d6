"""Which process runs which tests; goes on after one that crashed."""

from typing import Any

from xdist.scheduler import LoadGroupScheduling


class CrashProof(LoadGroupScheduling):
    """xdist's own hands out again what a crashed process had done already: groups without a test
    left, for which the others wait in vain. They go on with the next group instead.
    """

    def _reschedule(self, node: Any) -> None:
        while self.workqueue and all(next(iter(self.workqueue.values())).values()):
            self.workqueue.popitem(last=False)
        super()._reschedule(node)
