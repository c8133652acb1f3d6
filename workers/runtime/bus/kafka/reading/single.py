"""One record at a time, by its place: the picture that a message speaks of."""

import contextlib
import threading
import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.runtime.bus.kafka.client import client_options, connect, unpacked_limit
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.reading.consumer import _record
from workers.runtime.bus.kafka.reading.unpacking import Guard
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.settings.process import KafkaSettings

_POLL_MS = 200


class KafkaRecords:
    """Records port on kafka-python, outside any group. Any thread; one answer at a time."""

    def __init__(self, kafka: KafkaSettings, client_id: str):
        self._kafka, self._client_id = kafka, client_id
        self._lock = threading.Lock()
        self._client: Any = None

    def at(self, partition: Partition, offset: int, patience_s: float = 3.0) -> Record | None:
        """The record; None when the topic does not hold it (any more).

        Raises BusUnavailable, ServerUnreachable.
        """
        with self._lock:
            try:
                return self._find(partition, offset, time.monotonic() + patience_s)
            except BaseException:
                self._drop()
                raise

    def _find(self, partition: Partition, offset: int, until: float) -> Record | None:
        client, tp = self._connected(), TopicPartition(partition.topic, partition.index)
        with translated("Read"):
            client.assign([tp])
            first = client.beginning_offsets([tp], timeout_ms=3000)[tp]
            end = client.end_offsets([tp], timeout_ms=3000)[tp]
            if not first <= offset < end:
                return None
            client.seek(tp, offset)
            while time.monotonic() < until:
                for records in client.poll(timeout_ms=_POLL_MS).values():
                    found = _record(records[0])
                    return found if found.offset == offset else None
        return None

    def _connected(self) -> Any:
        if self._client is None:
            options = client_options(self._kafka, self._client_id) | {
                "group_id": None,
                "enable_auto_commit": False,
                "allow_auto_create_topics": False,
                "isolation_level": "read_committed",
                "auto_offset_reset": "none",
                "fetch_max_wait_ms": 50,
                "max_poll_records": 1,
                "max_partition_fetch_bytes": 1,  # the broker sends one batch, however large
            }
            self._client = connect(
                self._kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms)
            )
            self._guard = Guard(self._client, unpacked_limit(self._kafka))
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaError):
                client.close()

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._drop()
