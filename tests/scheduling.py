"""Which process runs which tests; goes on after one that crashed."""

from typing import Any

from xdist.scheduler import LoadGroupScheduling


class CrashProof(LoadGroupScheduling):
    """Hands out again what a crashed process had not done, and only that.

    xdist's own hands out all of it: the others then wait in vain for tests of groups that have
    none left. The test that crashed stays the one that failed, for who runs it again alone.
    """

    def remove_node(self, node: Any) -> str | None:
        """The test that ran when the process went, or None."""
        groups = self.assigned_work.pop(node)
        left = [
            (group, test) for group in groups.values() for test, done in group.items() if not done
        ]
        if not left:
            return None
        group, crashed = left[0]
        group[crashed] = True
        self.workqueue.update({k: v for k, v in groups.items() if not all(v.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return str(crashed)
