"""The Kafka adapter: any Kafka-compatible broker, through kafka-python 3.0.

Records stay bytes (a deserializer that raises wedges the client), commits are explicit, only
committed records are read, and the rebalance listener neither blocks nor raises: it runs on the
client's IO thread.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, errors
from kafka.coordinator.assignors.range import RangePartitionAssignor

from workers.runtime.bus.kafka.assignor import SingleOwnerAssignor
from workers.runtime.bus.kafka.client import (
    client_options,
    connect,
    record_limit,
)
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.faults import tell_of_loss
from workers.runtime.bus.kafka.reading.consumer import KafkaBusConsumer
from workers.runtime.bus.kafka.rebalance import Relay
from workers.runtime.bus.kafka.writing.producer import KafkaBusProducer
from workers.runtime.bus.ports import Partition, RebalanceListener, Start
from workers.runtime.settings.process import KafkaSettings

# A larger frame comes alone. The client copies an answer six times; with tens of megabytes the
# kernel gives and takes that memory each time, which costs more than the copies.
_ANSWER_BYTES = 4 * 2**20
_ASSIGNORS = {
    "cooperative-sticky": SingleOwnerAssignor,
    "range": RangePartitionAssignor,
}


def create_topics(kafka: KafkaSettings, topics: Mapping[str, int]) -> None:
    """Create topics, name -> number of partitions. Existing ones are left as they are."""
    with contextlib.closing(connect_admin(kafka)) as admin, translated("Describe"):
        limit = {"max.message.bytes": str(record_limit(kafka))}  # Kafka's default is 1 MB
        existing = set(admin.list_topics())  # then nobody needs the right to create them
        for name, partitions in topics.items():
            if name in existing:
                continue
            options = {"num_partitions": partitions, "replication_factor": -1, "configs": limit}
            wanted = {name: options}
            with translated("Create", name), contextlib.suppress(errors.TopicAlreadyExistsError):
                admin.create_topics(wanted, wait_for_metadata=True)


def connect_admin(kafka: KafkaSettings) -> Any:
    """An admin client. Raises ServerUnreachable."""
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
    start_of: Callable[[Partition], Start] | None = None,
    max_records: int = 50,
    watched: Iterable[str] = (),
) -> KafkaBusConsumer:
    """A member of a group. Raises ServerUnreachable, SettingsError.

    `watched`: topics that are not read, but are told when they are missing.
    """
    assignor = _ASSIGNORS[kafka.assignor]()
    options = reader_options(kafka, group, client_id) | {
        "auto_offset_reset": "none",  # never skip in silence: the consumer port says what is gone
        "partition_assignment_strategy": [assignor],
        "group_instance_id": kafka.group_instance_id,
        "max_poll_records": max_records,
        "max_poll_interval_ms": kafka.max_poll_interval_ms,
        "session_timeout_ms": kafka.session_timeout_ms,
        "heartbeat_interval_ms": kafka.heartbeat_interval_ms,
        "fetch_max_bytes": _ANSWER_BYTES,
        "fetch_max_wait_ms": 50,  # the embedded broker answers only at the end of the wait
        "metadata_max_age_ms": 30_000,
    }
    client = connect(kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms))
    drain_s = kafka.session_timeout_ms / 3000  # a third of the session: the group is not kept
    relay = Relay(client, listener, drain_s, assignor)
    tell_of_loss(client)
    client.subscribe(topics=list(topics), listener=relay)
    return KafkaBusConsumer(
        client,
        kafka,
        frozenset(topics),
        from_beginning,
        start_of=start_of,
        watched=frozenset(watched),
    )


def reader_options(kafka: KafkaSettings, group: str, client_id: str) -> dict[str, Any]:
    """Options of every consumer that has a group."""
    return client_options(kafka, client_id) | {
        "group_id": group,
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
    }
