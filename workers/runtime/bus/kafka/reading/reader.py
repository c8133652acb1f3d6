"""A topic read outside any group, from its beginning or from a moment on."""

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.runtime.bus.kafka.client import client_options, connect, unpacked_limit
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.reading.consumer import _record
from workers.runtime.bus.kafka.reading.unpacking import Guard
from workers.runtime.bus.ports import Gap, Record
from workers.runtime.errors import BusUnavailable
from workers.runtime.settings.process import KafkaSettings
from workers.runtime.watchdog import Pulse

_QUIET_S = 1.0  # an open transaction keeps the last records back: do not wait for its end
_ANSWER_MS = 3000  # a broker that takes longer to say where a topic ends is away
_MAX_RECORDS = 50  # of a poll: frames are large


def start_at(position: int, first: int, end: int) -> int:
    """Where reading goes on: at the position, if the partition still has it."""
    return first if position > end else max(position, first)


class KafkaReader:
    """Reader port on kafka-python. One thread only."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        client_id: str,
        since: datetime | None = None,
        pulse: Pulse | None = None,
        *,
        positions: Mapping[int, int] | None = None,
    ):
        """`pulse` is watched while the client is at work.

        `positions`: partition -> the next offset, for those that were read before; `since` is for
        the others. A partition that ends before its position was made anew, and is read whole.
        Raises ServerUnreachable, AccessDenied or SettingsError.
        """
        options = client_options(kafka, client_id) | {
            "group_id": None,
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "auto_offset_reset": "earliest",
            "fetch_max_wait_ms": 50,
            "max_poll_records": _MAX_RECORDS,
            "metadata_max_age_ms": 30_000,
        }
        self._pulse = pulse or Pulse()
        self._topic, self._patience_s = topic, kafka.request_timeout_ms / 1000
        self._client: Any = connect(
            kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms)
        )
        self._guard = Guard(self._client, unpacked_limit(kafka))
        try:
            with translated("Read"):
                found = sorted(self._client.partitions_for_topic(topic) or ())
                self._at = [TopicPartition(topic, index) for index in found]
                self._ends = self._start(since, positions or {}) if self._at else {}
        except BaseException:
            self.close()
            raise
        self._held: Mapping[Any, int] | None = None  # when the end was reached
        self._heard = time.monotonic()

    def _start(self, since: datetime | None, positions: Mapping[int, int]) -> dict[Any, int]:
        client, at, limit_ms = self._client, self._at, int(self._patience_s * 1000)
        client.assign(at)
        client.seek_to_beginning(*at)
        ends: dict[Any, int] = client.end_offsets(at, timeout_ms=limit_ms)
        if since is not None:
            wanted = dict.fromkeys(at, int(since.timestamp() * 1000))
            for tp, found in client.offsets_for_times(wanted, timeout_ms=limit_ms).items():
                client.seek(tp, ends[tp] if found is None or found.offset < 0 else found.offset)
        firsts = client.beginning_offsets(at, timeout_ms=limit_ms) if positions else {}
        for tp in at:
            known = positions.get(tp.partition)
            if known is not None:
                client.seek(tp, start_at(known, firsts[tp], ends[tp]))
        return ends

    @property
    def partitions(self) -> int:
        """How many the topic has; 0: there is no such topic."""
        return len(self._at)

    def poll(self, timeout_s: float) -> list[Record]:
        """Committed records that have arrived. Raises BusUnavailable."""
        if not self._at:
            time.sleep(timeout_s)
            return []
        with translated("Read"), self._pulse.watching():
            batches = self._client.poll(timeout_ms=int(timeout_s * 1000))
        if batches:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > self._patience_s and not self._reached():
            quiet = time.monotonic() - self._heard
            raise BusUnavailable(f"{self._topic} could not be read to its end in {quiet:.0f} s")
        return [_record(item) for batch in batches.values() for item in batch]

    def gaps(self) -> list[Gap]:
        """Records that cannot be unpacked; told once."""
        return self._guard.gaps()

    def left(self) -> int:
        """About so many records are not read yet."""
        with translated("Read"):
            ends = {tp: max(end, self._client.highwater(tp) or 0) for tp, end in self._ends.items()}
            return sum(max(0, end - self._position(tp)) for tp, end in ends.items())

    def at_end(self) -> bool:
        """Whether everything is read that the topic held when it was opened.

        The embedded broker tells too little of its end, so what it holds when that is reached
        counts too; not what comes later, or a topic that is written all the time had no end.
        """
        if not self._reached():
            return False
        if self._held is None:
            found = {tp: self._client.highwater(tp) for tp in self._at}
            self._held = None if None in found.values() else found
        quiet = time.monotonic() - self._heard >= _QUIET_S
        return quiet or (self._held is not None and self._is_behind(self._held))

    def ask(self) -> None:
        """Whether the broker answers, and the topic is as it was. Raises Transient."""
        with translated("Read"), self._pulse.watching():
            self._client.end_offsets(self._at, timeout_ms=_ANSWER_MS)
            found = self._client.partitions_for_topic(self._topic) or ()
        if len(found) != len(self._at):
            raise BusUnavailable(
                f"{self._topic} has {len(found)} partitions, not {self.partitions}"
            )

    def _reached(self) -> bool:
        with translated("Read"):
            return self._is_behind(self._ends)

    def _is_behind(self, ends: Mapping[Any, int]) -> bool:
        return all(self._position(tp) >= end for tp, end in ends.items())

    def _position(self, tp: Any) -> int:
        with self._pulse.watching():
            found = self._client.position(tp, timeout_ms=int(self._patience_s * 1000))
        if found is None:
            raise BusUnavailable(f"no answer about the position on {self._topic} {tp.partition}")
        return int(found)

    def close(self) -> None:
        """Read no more."""
        with contextlib.suppress(KafkaError):
            self._client.close()
