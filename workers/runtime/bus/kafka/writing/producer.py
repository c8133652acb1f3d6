"""The producer port on kafka-python: idempotent, waits for every acknowledgement."""

import contextlib
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

from kafka import KafkaProducer, errors

from workers.runtime.bus.kafka.client import (
    ATTEMPT_S,
    client_options,
    connect,
    missing_topics,
    record_limit,
)
from workers.runtime.bus.kafka.errors import cause_of, translate, translated
from workers.runtime.bus.kafka.faults import flush
from workers.runtime.bus.kafka.writing.stamps import STAMPS
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import NoSuchPartition
from workers.runtime.settings.process import KafkaSettings

_CHUNK_BYTES = 32 * 2**20  # the client has no memory bound of its own


def producer_options(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Options of every producer."""
    return client_options(kafka, client_id) | {
        "acks": "all",
        "enable_idempotence": True,
        "delivery_timeout_ms": kafka.delivery_timeout_ms,
        "max_block_ms": kafka.request_timeout_ms,
        "max_request_size": record_limit(kafka),
        "batch_size": 900_000,  # the default of 16 KB sends one frame per round trip
        "linger_ms": 5,
        "compression_type": None if kafka.compression == "none" else kafka.compression,
    }


class KafkaBusProducer:
    """Producer port on kafka-python. Thread-safe.

    After an error that leaves the client's own state in doubt the client is replaced; messages
    that were already written may then be written again.
    """

    def __init__(self, kafka: KafkaSettings, client_id: str):
        self._kafka, self._client_id = kafka, client_id
        self._lock = Lock()
        self._client: Any = connect(kafka, self._make)

    def _make(self, bootstrap_timeout_ms: int) -> Any:
        options = producer_options(self._kafka, self._client_id)
        return KafkaProducer(**options, bootstrap_timeout_ms=bootstrap_timeout_ms)

    def publish(self, messages: Iterable[Outgoing]) -> None:
        """Write all and wait. Raises Transient, MessageTooLarge or Fatal."""
        everything = list(messages)
        client = self._current()
        try:
            write_all(client, everything, self._kafka.delivery_timeout_ms / 1000)
        except errors.KafkaError as error:
            if not isinstance(error, errors.MessageSizeTooLargeError):
                self._discard(client)
            if clock_refused(error):
                self.publish(everything)
                return
            raise translate(error, "Write") from error

    def _current(self) -> Any:
        with self._lock:
            if self._client is None:
                with translated("Write"):
                    self._client = self._make(int(ATTEMPT_S * 1000))
            return self._client

    def _discard(self, client: Any) -> None:
        with self._lock:
            if self._client is client:
                self._client = None
        with contextlib.suppress(errors.KafkaError):
            client.close(timeout=0)

    def close(self) -> None:
        """Close; everything published was already acknowledged."""
        if self._client is not None:
            with contextlib.suppress(errors.KafkaError):
                self._client.close(timeout=2)


def clock_refused(error: errors.KafkaError) -> bool:
    """Whether it is for this machine's clock alone, and worth another try without its time."""
    cause = cause_of(error)
    told = isinstance(cause, errors.InvalidRecordError) and "Timestamp" in str(cause)
    refused = told or isinstance(cause, errors.InvalidTimestampError)
    return refused and STAMPS.refuse(str(cause))


def write_all(client: Any, messages: Iterable[Outgoing], timeout_s: float) -> None:
    """Send all and check every single acknowledgement. Raises KafkaError, NoSuchPartition."""
    for chunk in _chunks(messages):
        try:
            _write(client, chunk, timeout_s)
        except (errors.KafkaTimeoutError, errors.UnknownTopicOrPartitionError) as error:
            missing = missing_topics(client._metadata, {each.topic for each in chunk})
            if missing:
                raise errors.UnknownTopicOrPartitionError(sorted(missing)) from error
            raise


def _write(client: Any, chunk: list[Outgoing], timeout_s: float) -> None:
    _check_partitions(client, chunk)
    futures = [_send(client, message) for message in chunk]
    flush(client, timeout_s)
    for future in futures:
        future.get(timeout=timeout_s)


def _check_partitions(client: Any, chunk: Iterable[Outgoing]) -> None:
    """Before anything is sent: what went out before a refusal would go out again."""
    named = {(each.topic, each.partition) for each in chunk if each.partition is not None}
    for topic, index in sorted(named):
        found = client.partitions_for(topic)
        if found and index not in found:
            raise NoSuchPartition(
                f"topic {topic} has no partition {index} (it has {len(found)}); who names it is a "
                "map of partitions, or a record from before the topic was made anew"
            )


def _send(client: Any, outgoing: Outgoing) -> Any:
    message = outgoing.message
    return client.send(
        outgoing.topic,
        value=message.value,
        key=message.key,
        headers=list(message.headers),
        partition=outgoing.partition,
        timestamp_ms=STAMPS.timestamp_ms(),
    )


def _chunks(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    chunk: list[Outgoing] = []
    size = 0
    for message in messages:
        chunk.append(message)
        size += len(message.message.value)
        if size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
