"""The servers that can be broken."""

from dataclasses import dataclass

from benchmarks.chaos.proxy import Proxy
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import KafkaSettings


@dataclass(slots=True)
class World:
    """What can be broken."""

    kafka: ApacheKafka
    settings: KafkaSettings
    redis: Proxy
    store: EmbeddedStore
    network: Proxy | None  # between worker 0 and Kafka

    def restart_store(self) -> None:
        """An empty one, at the same address."""
        self.store.start()
        self.redis.upstream = self.store.port
