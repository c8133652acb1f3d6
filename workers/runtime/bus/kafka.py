"""The Kafka adapter: any Kafka-compatible broker, through kafka-python 3.0.

Records stay bytes (a deserializer that raises wedges the client), commits are explicit, only
committed records are read, and the rebalance listener neither blocks nor raises: it runs on the
client's IO thread.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.kafka_client import (
    ATTEMPT_S,
    HEADERS_ROOM,
    client_options,
    connect,
    record_limit,
)
from workers.runtime.bus.kafka_consumer import KafkaBusConsumer
from workers.runtime.bus.kafka_errors import translated
from workers.runtime.bus.kafka_faults import BoundedProducer
from workers.runtime.bus.kafka_producer import KafkaBusProducer, producer_options
from workers.runtime.bus.kafka_rebalance import Relay, as_topic_partition
from workers.runtime.bus.ports import (
    Consumer,
    Delivery,
    Partition,
    Positions,
    RebalanceListener,
)
from workers.runtime.bus.transactional import Transactional
from workers.runtime.errors import SettingsError
from workers.runtime.settings import KafkaSettings

_log = structlog.get_logger()

Guarantee = Literal["auto", "exactly-once", "at-least-once"]


def create_topics(kafka: KafkaSettings, topics: Mapping[str, int]) -> None:
    """Create topics, name -> number of partitions. Existing ones are left as they are."""
    with contextlib.closing(_admin(kafka)) as admin:
        limit = {"max.message.bytes": str(record_limit(kafka))}  # Kafka's default is 1 MB
        for name, partitions in topics.items():
            options = {"num_partitions": partitions, "replication_factor": -1, "configs": limit}
            wanted = {name: options}
            with translated(), contextlib.suppress(errors.TopicAlreadyExistsError):
                admin.create_topics(wanted, wait_for_metadata=True)


def _admin(kafka: KafkaSettings) -> Any:
    options = client_options(kafka, "stream-inspector-admin")
    return connect(kafka, lambda ms: KafkaAdminClient(**options, bootstrap_timeout_ms=ms))


def connect_producer(kafka: KafkaSettings, client_id: str) -> KafkaBusProducer:
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
    frame = kafka.max_frame_bytes + HEADERS_ROOM
    options = _reader_options(kafka, group, client_id) | {
        "auto_offset_reset": "earliest" if from_beginning else "latest",
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
    client = connect(kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms))
    drain_s = kafka.session_timeout_ms / 3000  # a third of the session: the group is not kept
    relay = Relay(client, listener, drain_s)
    client.subscribe(topics=list(topics), listener=relay)
    return KafkaBusConsumer(client, kafka.session_timeout_ms / 1000)


def _reader_options(kafka: KafkaSettings, group: str, client_id: str) -> dict[str, Any]:
    return client_options(kafka, client_id) | {
        "group_id": group,
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
    }


def connect_delivery(
    kafka: KafkaSettings,
    group: str,
    client_id: str,
    consumer: Consumer,
    commit: Callable[[Positions], None],
    *,
    guarantee: Guarantee = "auto",
    transactional_id: str | None = None,
) -> Delivery:
    """How results are published, and the positions of the consumer with them.

    `commit` hands positions to the thread that owns the consumer (at least once only). Without a
    transactional id of its own a process takes a random one. Raises ServerUnreachable, and
    SettingsError when exactly-once is asked of a broker that cannot.
    """
    if guarantee == "at-least-once":
        return AtLeastOnce(connect_producer(kafka, client_id), commit)
    if not _has_transactions(kafka):
        if guarantee == "exactly-once":
            raise SettingsError(
                f"worker.delivery: the broker at {kafka.bootstrap_servers} cannot do exactly-once "
                "(the embedded one, or older than Kafka 3.0); set at-least-once, or another broker"
            )
        _log.warning("this broker cannot do exactly-once: delivering at least once")
        return AtLeastOnce(connect_producer(kafka, client_id), commit)
    chosen = transactional_id or f"{group}-{uuid.uuid4()}"
    make = _transactional_producer(kafka, client_id, chosen)
    return Transactional(
        chosen,
        make,
        consumer.generation,
        lambda partitions: _committed(kafka, group, client_id, partitions),
        kafka.transaction_timeout_ms / 1000,
    )


def _has_transactions(kafka: KafkaSettings) -> bool:
    """Whether the broker can end transactions that were left open, and hide aborted records.

    The embedded broker answers transactional calls but does neither; unlike Apache Kafka from 3.0
    on it cannot list transactions.
    """
    with contextlib.closing(_admin(kafka)) as admin:
        try:
            admin.list_transactions()
        except (errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError):
            return False
        except errors.AuthorizationError:
            return True
    return True


def _transactional_producer(
    kafka: KafkaSettings, client_id: str, transactional_id: str
) -> Callable[[], BoundedProducer]:
    timeout_ms = kafka.transaction_timeout_ms
    request_ms = min(kafka.request_timeout_ms, timeout_ms // 2)
    options = producer_options(kafka, client_id) | {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": timeout_ms,
        "request_timeout_ms": request_ms,
        "delivery_timeout_ms": timeout_ms,  # later the broker has aborted the transaction
        "max_block_ms": timeout_ms,
        "retry_backoff_ms": 20,  # the client polls with it: 100 ms a transaction by default
        "linger_ms": 0,
    }

    bootstrap_ms = int(ATTEMPT_S * 1000)
    return lambda: BoundedProducer(timeout_ms / 1000, **options, bootstrap_timeout_ms=bootstrap_ms)


def _committed(
    kafka: KafkaSettings, group: str, client_id: str, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """The group's positions, once no transaction is in the middle of moving them."""
    options = _reader_options(kafka, group, client_id)
    found = {}
    with (
        translated(),
        contextlib.closing(
            KafkaConsumer(**options, bootstrap_timeout_ms=int(ATTEMPT_S * 1000))
        ) as reader,
    ):
        for partition in partitions:
            offset = reader.committed(
                as_topic_partition(partition), timeout_ms=kafka.transaction_timeout_ms
            )
            if offset is not None:
                found[partition] = int(offset)
    return found
