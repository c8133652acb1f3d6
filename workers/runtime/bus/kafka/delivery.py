"""Which delivery a process gets: transactions where the broker has them."""

import contextlib
import uuid
from collections.abc import Callable, Iterable
from typing import Literal

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, errors

from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.kafka.advertised import reach_advertised
from workers.runtime.bus.kafka.client import ATTEMPT_S, client_options, connect
from workers.runtime.bus.kafka.connect import connect_producer, reader_options
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.faults import BoundedProducer
from workers.runtime.bus.kafka.rebalance import as_topic_partition
from workers.runtime.bus.kafka.writing.producer import producer_options
from workers.runtime.bus.kafka.writing.transactional import Transactional
from workers.runtime.bus.ports import Consumer, Delivery, Partition, Positions
from workers.runtime.errors import BusUnavailable, SettingsError
from workers.runtime.settings.process import KafkaSettings

_log = structlog.get_logger(__name__)

# What a broker says that has just begun to coordinate transactions, after another one died.
_LOADING = (errors.CoordinatorLoadInProgressError, errors.CoordinatorNotAvailableError)

Guarantee = Literal["auto", "exactly-once", "at-least-once"]


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
    if not _exactly_once(kafka, guarantee):
        return AtLeastOnce(connect_producer(kafka, client_id), commit)
    chosen = transactional_id or f"{group}-{uuid.uuid4()}"
    return Transactional(
        chosen,
        transactional_producer(kafka, client_id, chosen),
        consumer.generation,
        lambda partitions: committed(kafka, group, client_id, partitions),
        _patience_ms(kafka) / 1000,
    )


def connect_writer(kafka: KafkaSettings, client_id: str, transactional_id: str) -> Delivery:
    """Delivery of messages without positions: each settlement is visible as a whole.

    A new one fences an older one with the same id off. Raises ServerUnreachable.
    """
    if not _exactly_once(kafka, "auto"):
        return AtLeastOnce(connect_producer(kafka, client_id), lambda positions: None)  # noqa: ARG005
    return Transactional(
        transactional_id,
        transactional_producer(kafka, client_id, transactional_id),
        lambda: None,
        lambda partitions: {},  # noqa: ARG005
        _patience_ms(kafka) / 1000,
    )


def _exactly_once(kafka: KafkaSettings, guarantee: Guarantee) -> bool:
    if guarantee == "at-least-once":
        return False
    possible = has_transactions(kafka)
    if not possible and guarantee == "exactly-once":
        raise SettingsError(
            f"worker.delivery: the broker at {kafka.bootstrap_servers} cannot do exactly-once "
            "(the embedded one, or older than Kafka 3.0); set at-least-once, or another broker"
        )
    if not possible:
        _log.warning("this broker cannot do exactly-once: delivering at least once")
    return possible


def has_transactions(kafka: KafkaSettings) -> bool:
    """Whether the broker can end transactions that were left open, and hide aborted records.

    The embedded broker answers transactional calls but does neither; unlike Apache Kafka from 3.0
    on it cannot list transactions. Raises ServerUnreachable.
    """
    options = client_options(kafka, client_id="stream-inspector-admin")

    def ask(bootstrap_ms: int) -> bool:
        with contextlib.closing(
            KafkaAdminClient(**options, bootstrap_timeout_ms=bootstrap_ms)
        ) as admin:
            reach_advertised(admin, bootstrap_ms)
            try:
                admin.list_transactions()
            except (errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError):
                return False
            except (errors.AuthorizationError, *_LOADING):
                return True
        return True

    return connect(kafka, ask)


def transactional_producer(
    kafka: KafkaSettings, client_id: str, transactional_id: str
) -> Callable[[], BoundedProducer]:
    """Makes producers of one transactional id that do not wait for ever."""
    patience_ms = _patience_ms(kafka)
    options = producer_options(kafka, client_id) | {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": kafka.transaction_timeout_ms,
        "request_timeout_ms": patience_ms // 2,
        "delivery_timeout_ms": patience_ms,
        "max_block_ms": patience_ms,
        "retry_backoff_ms": 10,  # the client polls with it: 100 ms a transaction by default
        "linger_ms": 0,
    }

    bootstrap_ms = int(ATTEMPT_S * 1000)
    return lambda: BoundedProducer(patience_ms / 1000, **options, bootstrap_timeout_ms=bootstrap_ms)


def _patience_ms(kafka: KafkaSettings) -> int:
    """For each call. Longer than its timeout a transaction is aborted by the broker anyway."""
    return min(kafka.request_timeout_ms, kafka.transaction_timeout_ms)


def committed(
    kafka: KafkaSettings, group: str, client_id: str, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """The group's positions, once no transaction is in the middle of moving them."""
    options = reader_options(kafka, group, client_id)
    found = {}
    with (
        translated(),
        contextlib.closing(
            KafkaConsumer(**options, bootstrap_timeout_ms=int(ATTEMPT_S * 1000))
        ) as reader,
    ):
        for partition in partitions:
            try:
                offset = reader.committed(
                    as_topic_partition(partition), timeout_ms=_patience_ms(kafka)
                )
            except errors.KafkaTimeoutError as error:
                raise BusUnavailable(
                    f"the position of group {group} on {partition.topic} {partition.index} is not "
                    "to be had: a transaction holds it. If this goes on, it never ended: "
                    "docs/reliability.md says how to end it"
                ) from error
            if offset is not None:
                found[partition] = int(offset)
    return found
