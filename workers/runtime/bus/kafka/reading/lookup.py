"""Single records of Kafka by topic, partition and offset, outside any group."""

import contextlib
import time
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError, OffsetOutOfRangeError

from workers.runtime.bus.kafka.client import client_options, connect, unpacked_limit
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.reading.consumer import _record
from workers.runtime.bus.kafka.reading.unpacking import Guard
from workers.runtime.bus.kafka.rebalance import as_topic_partition
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.errors import BusUnavailable
from workers.runtime.settings.process import KafkaSettings

_POLL_MS = 200
_QUIET_S = 2.0  # the embedded broker tells too little of a topic's end: it has so long to answer


class KafkaLookup:
    """Lookup port on kafka-python. One thread only."""

    def __init__(self, kafka: KafkaSettings, client_id: str):
        """Raises ServerUnreachable, AccessDenied or SettingsError."""
        options = client_options(kafka, client_id) | {
            "group_id": None,
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "auto_offset_reset": "none",
            "fetch_max_wait_ms": 50,
            "max_poll_records": 1,
        }
        self._patience_s = kafka.request_timeout_ms / 1000
        self._client: Any = connect(
            kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms)
        )
        self._guard = Guard(self._client, unpacked_limit(kafka))

    def find(self, partition: Partition, offset: int) -> Record | None:
        """The record; None where it is gone or cannot be read. Raises BusUnavailable."""
        tp, limit_ms = as_topic_partition(partition), int(self._patience_s * 1000)
        with translated("Read", partition.topic):
            if partition.index not in (self._client.partitions_for_topic(partition.topic) or ()):
                return None
            first = self._client.beginning_offsets([tp], timeout_ms=limit_ms)[tp]
            if offset < first:
                return None
            self._client.assign([tp])
            self._client.seek(tp, offset)
            return self._read(tp, offset, limit_ms)

    def _read(self, tp: Any, offset: int, limit_ms: int) -> Record | None:
        """The next record, if it is the one that stands there."""
        began = time.monotonic()
        while time.monotonic() < began + self._patience_s:
            try:
                batches = self._client.poll(timeout_ms=_POLL_MS)
            except OffsetOutOfRangeError:
                return None
            found = [item for batch in batches.values() for item in batch]
            if found:
                return _record(found[0]) if found[0].offset == offset else None
            quiet = time.monotonic() > began + _QUIET_S
            if self._guard.gaps() or (quiet and offset >= self._end(tp, limit_ms)):
                return None
        raise BusUnavailable(f"{tp.topic} {tp.partition}: offset {offset} is not to be had in time")

    def _end(self, tp: Any, limit_ms: int) -> int:
        return int(self._client.end_offsets([tp], timeout_ms=limit_ms)[tp])

    def close(self) -> None:
        """Look for no more."""
        with contextlib.suppress(KafkaError):
            self._client.close()
