"""The Kafka adapter: any Kafka-compatible broker, through kafka-python 3.0.

Records stay bytes (a deserializer that raises wedges the client), commits are explicit, and the
rebalance listener neither blocks nor raises: it runs on the client's IO thread.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.record import util as record_util

from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.kafka_consumer import KafkaBusConsumer
from workers.runtime.bus.kafka_errors import translate, translated
from workers.runtime.bus.kafka_rebalance import Relay
from workers.runtime.bus.ports import (
    Consumer,
    Delivery,
    Outgoing,
    Positions,
    RebalanceListener,
)
from workers.runtime.errors import (
    ServerUnreachable,
    SettingsError,
)
from workers.runtime.settings import KafkaSettings

if record_util.crc32c_c is None:  # pure Python needs 14 ms for the checksum of a 50 KB record
    raise ImportError("kafka-python found no native CRC: install the package `crc32c`")

_log = structlog.get_logger()
_Client = TypeVar("_Client")

_HEADERS_ROOM = 256 * 1024  # bytes for headers, key and the JSON around a dead letter
_CHUNK_BYTES = 32 * 2**20  # the client has no memory bound of its own
_ATTEMPT_S = 5.0  # one try to reach the broker at start


def _client_options(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "client_id": client_id,
        "request_timeout_ms": kafka.request_timeout_ms,
        "reconnect_backoff_max_ms": 1000,  # the default of 30 s stalls for up to a minute
    }


def _connect(kafka: KafkaSettings, make: Callable[[int], _Client]) -> _Client:
    """Make a client, retrying until `kafka.connect_timeout_s`. `make` takes a timeout in ms."""
    deadline = time.monotonic() + kafka.connect_timeout_s
    pause = 0.2
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            return make(int(min(_ATTEMPT_S, left) * 1000))
        except errors.KafkaConfigurationError as error:
            raise SettingsError(f"kafka: {error}") from error
        except errors.KafkaError as error:
            if time.monotonic() + pause >= deadline:
                raise ServerUnreachable(
                    f"no Kafka broker answered at {kafka.bootstrap_servers} within "
                    f"{kafka.connect_timeout_s:g} s (setting kafka.bootstrap_servers): {error}"
                ) from error
            _log.warning("broker away, trying again", address=kafka.bootstrap_servers)
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def _record_limit(kafka: KafkaSettings) -> int:
    """Bytes of the largest record: the dead letter (base64) of a frame of twice the limit."""
    return 2 * kafka.max_frame_bytes * 4 // 3 + _HEADERS_ROOM


def create_topics(kafka: KafkaSettings, topics: Mapping[str, int]) -> None:
    """Create topics, name -> number of partitions. Existing ones are left as they are."""
    client = _client_options(kafka, "stream-inspector-admin")
    admin = _connect(kafka, lambda ms: KafkaAdminClient(**client, bootstrap_timeout_ms=ms))
    try:
        limit = {"max.message.bytes": str(_record_limit(kafka))}  # Kafka's default is 1 MB
        for name, partitions in topics.items():
            options = {"num_partitions": partitions, "replication_factor": -1, "configs": limit}
            wanted = {name: options}
            with translated(), contextlib.suppress(errors.TopicAlreadyExistsError):
                admin.create_topics(wanted, wait_for_metadata=True)
    finally:
        admin.close()


def connect_producer(kafka: KafkaSettings, client_id: str) -> "KafkaBusProducer":
    """A producer whose writes are acknowledged by all replicas. Raises ServerUnreachable."""
    return KafkaBusProducer(kafka, client_id)


def connect_consumer(
    kafka: KafkaSettings,
    group: str,
    topics: Sequence[str],
    client_id: str,
    listener: RebalanceListener | None = None,
    *,
    from_beginning: bool = True,
    max_records: int = 50,
) -> KafkaBusConsumer:
    """A member of a group. Raises ServerUnreachable, SettingsError."""
    frame = kafka.max_frame_bytes + _HEADERS_ROOM
    options = _client_options(kafka, client_id) | {
        "group_id": group,
        "auto_offset_reset": "earliest" if from_beginning else "latest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "max_poll_records": max_records,
        "max_poll_interval_ms": kafka.max_poll_interval_ms,
        "session_timeout_ms": kafka.session_timeout_ms,
        "heartbeat_interval_ms": kafka.heartbeat_interval_ms,
        "max_partition_fetch_bytes": frame,
        "fetch_max_bytes": 4 * frame,
        "fetch_max_wait_ms": 50,  # the embedded broker answers only at the end of the wait
        "metadata_max_age_ms": 30_000,
    }
    client = _connect(kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms))
    drain_s = kafka.session_timeout_ms / 3000  # a third of the session: the group is not kept
    relay = Relay(client, listener, drain_s)
    client.subscribe(topics=list(topics), listener=relay)
    return KafkaBusConsumer(client, kafka.session_timeout_ms / 1000)


def connect_delivery(
    kafka: KafkaSettings,
    client_id: str,
    consumer: Consumer,  # noqa: ARG001
    commit: Callable[[Positions], None],
) -> Delivery:
    """How results are published. `commit` hands positions to the thread that owns the consumer."""
    return AtLeastOnce(connect_producer(kafka, client_id), commit)


class KafkaBusProducer:
    """Producer port on kafka-python: idempotent, waits for every acknowledgement. Thread-safe.

    After an error that leaves the client's own state in doubt the client is replaced; messages
    that were already written may then be written again.
    """

    def __init__(self, kafka: KafkaSettings, client_id: str):
        self._kafka, self._client_id = kafka, client_id
        self._lock = Lock()
        self._client: Any = _connect(kafka, self._make)

    def _make(self, bootstrap_timeout_ms: int) -> Any:
        return KafkaProducer(
            **_client_options(self._kafka, self._client_id),
            bootstrap_timeout_ms=bootstrap_timeout_ms,
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=self._kafka.delivery_timeout_ms,
            max_block_ms=self._kafka.request_timeout_ms,
            max_request_size=_record_limit(self._kafka),
            batch_size=900_000,  # the default of 16 KB sends one frame per round trip
            linger_ms=5,
        )

    def publish(self, messages: Iterable[Outgoing]) -> None:
        """Write all and wait. Raises Transient, MessageTooLarge or Fatal."""
        client = self._current()
        try:
            for chunk in _chunks(messages):
                futures = [_send(client, message) for message in chunk]
                client.flush(timeout=self._kafka.delivery_timeout_ms / 1000)
                for future in futures:
                    future.get(timeout=self._kafka.delivery_timeout_ms / 1000)
        except errors.KafkaError as error:
            if not isinstance(error, errors.MessageSizeTooLargeError):
                self._discard(client)
            raise translate(error) from error

    def _current(self) -> Any:
        with self._lock:
            if self._client is None:
                with translated():
                    self._client = self._make(int(_ATTEMPT_S * 1000))
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


def _send(client: Any, outgoing: Outgoing) -> Any:
    message = outgoing.message
    try:
        return client.send(
            outgoing.topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            partition=outgoing.partition,
        )
    except ValueError as error:  # how the client refuses a partition that the topic does not have
        raise SettingsError(f"{error} (a map of partitions names one too many)") from error


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
