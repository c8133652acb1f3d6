"""The brokers that a demo can start, and what each of them promises."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.servers.embedded import EmbeddedBroker


class Started(Protocol):
    """A broker that runs."""

    @property
    def bootstrap_servers(self) -> str:
        """host:port."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """One choice of `demo.broker`."""

    start: Callable[[], AbstractContextManager[Started]]
    kafka: Mapping[str, int]  # settings of every client
    delivery: str  # the worker's setting
    promise: str
    in_memory: bool  # keeps all frames there


BROKERS = {
    "embedded": BrokerKind(
        EmbeddedBroker,
        # Its answer to a join waits for half the session timeout.
        {"session_timeout_ms": 2000, "heartbeat_interval_ms": 300},
        "at-least-once",
        "at least once (embedded broker, in memory): a frame may be repeated, never lost",
        in_memory=True,
    ),
    "kafka": BrokerKind(
        ApacheKafka,
        {"session_timeout_ms": 6000, "heartbeat_interval_ms": 1000},
        "exactly-once",
        "exactly once (Apache Kafka): no frame is repeated or lost",
        in_memory=False,
    ),
}
