"""Workers that stopped reading because they rejected too much, until they inspect again."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from schemas.alarm import AlarmKind, Severity
from schemas.interruption import Interruption, InterruptionCause
from schemas.outcome import Outcome
from workers.notifier.deciding.happenings import Happening, short_name

_WORKERS = 1000
_IN_WORK = timedelta(seconds=10)  # frames that were in work at the stop still get their verdicts


class StoppedWorkers:
    """By worker id: what it is told of as, and since when it does not read."""

    def __init__(self) -> None:
        self._since: OrderedDict[str, tuple[str, datetime]] = OrderedDict()

    def hear(self, interruption: Interruption) -> None:
        """Take an interruption; only a stop has an end."""
        if interruption.cause is not InterruptionCause.STOPPED:
            return
        key = short_name(interruption.key)
        self._put(short_name(interruption.worker_id), key, interruption.noticed_at)

    def see(self, outcome: Outcome) -> Happening | None:
        """An outcome; the all-clear when a worker that had stopped inspects again."""
        if not self._since or outcome.verdict is None:
            return None
        worker_id = short_name(outcome.worker_id)
        key, since = self._since.get(worker_id, (None, outcome.decided_at))
        if key is None or (outcome.decided_at - since) < _IN_WORK:
            return None
        del self._since[worker_id]
        seconds = (outcome.decided_at - since).total_seconds()
        return Happening(
            event_id=f"resumed:{worker_id}:{since.isoformat()}",
            camera_id=key,
            cause=InterruptionCause.STOPPED.value,
            kind=AlarmKind.NOT_INSPECTED,
            severity=Severity.INFO,
            at=outcome.decided_at,
            text=f"{worker_id} inspects again after {seconds:.0f} s",
            place=None,
            all_clear=True,
        )

    def snapshot(self) -> list[list[str]]:
        """As JSON."""
        return [[name, key, since.isoformat()] for name, (key, since) in self._since.items()]

    def restore(self, content: Iterable[Any]) -> None:
        """As far as it can be read."""
        for item in content:
            try:
                name, key, since = item
                at = datetime.fromisoformat(since)
            except (TypeError, ValueError):
                continue
            if at.tzinfo is not None:
                self._put(short_name(str(name)), short_name(str(key)), at)

    def _put(self, worker_id: str, key: str, since: datetime) -> None:
        self._since[worker_id] = (key, since)
        while len(self._since) > _WORKERS:
            self._since.popitem(last=False)
