"""Where reading begins when the group has no position, and which records were dealt with before.

Kafka forgets the positions of a group that is empty for a week. What we remember ourselves (how
far each partition was read, and the newest record time seen there) takes their place; where
nothing is remembered either, an age bounds what is told.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from workers.notifier.clock import Now
from workers.runtime.bus.ports import Partition, Positions, Record, Start

log = structlog.get_logger(__name__)

TOLD_BEFORE = "told-before"
TOO_OLD = "too-old"


class Starts:
    """What is passed over, and why."""

    def __init__(self, remembered: Mapping[Partition, tuple[int, int]], max_age_s: float) -> None:
        self._remembered, self._max_age_s = dict(remembered), max_age_s
        # of partitions that begin by age: the oldest that is told, and where what is new begins
        self._by_age: dict[Partition, tuple[int, int]] = {}

    def start_of(self, partition: Partition, now: Now) -> Start:
        """Where the client is to begin where nothing is committed."""
        known = self._remembered.get(partition)
        if known is not None:  # a topic that was made anew has newer records at lower offsets
            return Start(known[0], known[1] + 1)
        return Start(None, self._oldest(now))

    def begin(self, partitions: Positions, now: Now) -> None:
        """The group had no position for these, and they ended there.

        What came later is news, whatever clocks say: ours or its writer's may be days off.
        """
        for partition, end in partitions.items():
            if self._remembered.get(partition, (0, 0))[0] > end:  # it was made anew
                del self._remembered[partition]
        known = {p: self._remembered[p][0] for p in partitions if p in self._remembered}
        fresh = [p for p in partitions if p not in known]
        self._by_age |= {p: (self._oldest(now), partitions[p]) for p in fresh}
        if known:
            log.warning(
                "no position is committed: going on where we remember to have been",
                at={_name(p): offset for p, offset in sorted(known.items())},
            )
        if fresh:
            log.info(
                "no position is committed and none remembered: older events are passed over",
                partitions=", ".join(sorted(map(_name, fresh))),
                max_age_s=self._max_age_s,
                setting="notifier.max_age_s, notifier.from_beginning",
            )

    def passes_over(self, record: Record) -> str | None:
        """Why a record is not looked at; None: it is."""
        known = self._remembered.get(record.partition)
        if known is not None:
            if record.offset < known[0] and record.timestamp_ms <= known[1]:
                return TOLD_BEFORE
            if record.offset >= known[0]:  # caught up: nothing more to compare with
                del self._remembered[record.partition]
        oldest_ms, news = self._by_age.get(record.partition, (0, 0))
        if record.offset >= news:
            self._by_age.pop(record.partition, None)
            return None
        # without a time it may be of today
        return TOO_OLD if 0 < record.timestamp_ms < oldest_ms else None

    def _oldest(self, now: Now) -> int:
        return int((now.utc.timestamp() - self._max_age_s) * 1000)


def _name(partition: Partition) -> str:
    return f"{partition.topic} {partition.index}"


def remembered(snapshot: Mapping[str, Any]) -> dict[Partition, tuple[int, int]]:
    """How far each partition was read and the newest time there, as far as it can be read."""
    found = {}
    for item in snapshot.get("positions", ()):
        try:
            topic, index, offset, newest_ms = item
            found[Partition(str(topic), int(index))] = int(offset), int(newest_ms)
        except (TypeError, ValueError, OverflowError):
            continue  # of an older version, or damaged: the age bounds it
    return found
