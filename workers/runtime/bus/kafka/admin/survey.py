"""What a broker says of itself, its topics, groups and rights. It is only asked, never changed.

One exception: `try_transactional_id` leaves the id behind, which the broker forgets after a week.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import stamina
from kafka import TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.bus.kafka.delivery import has_transactions, transactional_producer
from workers.runtime.bus.kafka.errors import translate, translated
from workers.runtime.settings.process import KafkaSettings

_CLIENT = "stream-inspector-doctor"
_UNTOLD = (errors.UnsupportedVersionError, errors.IncompatibleBrokerVersion, ValueError)

_MADE_NOW = (errors.CoordinatorNotAvailableError, errors.CoordinatorLoadInProgressError)
_MAKING_S = 10.0
_Answer = TypeVar("_Answer")

Operations = frozenset[str] | None  # as access control lists name them; None: not told


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """The cluster."""

    version: tuple[int, ...]  # as far as the protocol gives it away
    nodes: int
    transactions: bool
    configs: Mapping[str, str] | None  # of one broker; None: not told


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic that exists."""

    partitions: int
    replicas: int  # of the partition that has the fewest
    leaderless: int
    operations: Operations
    configs: Mapping[str, str] | None  # None: not told


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group, and how far it is on one topic."""

    state: str | None  # None: not told
    members: int
    operations: Operations
    lag: Mapping[int, int | None]  # by partition; None: nothing committed
    expired: int  # records after a committed position that the topic no longer has


class Hidden:
    """A topic that the broker does not let us see."""


class Survey:
    """Asks one broker. Methods raise WorkerError."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client: Any = None

    def broker(self) -> BrokerFacts:
        """Connect and ask for the cluster. Raises ServerUnreachable, AccessDenied."""
        self._client = connect_admin(self._kafka)
        with translated("Describe"):
            nodes = [node["broker_id"] for node in self._client.describe_cluster()["brokers"]]
            configs = self._configs(ConfigResourceType.BROKER, str(nodes[0])) if nodes else None
            version = tuple(self._client._manager.broker_version or ())  # no other way to it
        return BrokerFacts(version, len(nodes), has_transactions(self._kafka), configs)

    def topic(self, name: str) -> TopicFacts | type[Hidden] | None:
        """A topic; None when there is none of that name."""
        with translated("Describe", name):
            found = self._client.describe_topics([name])[0]
            problem = errors.for_code(found["error_code"])
            if problem is errors.UnknownTopicOrPartitionError:
                return None
            if problem is errors.TopicAuthorizationFailedError:
                return Hidden
            if problem is not errors.NoError and not found["partitions"]:
                raise problem(name)
            partitions = found["partitions"]
            return TopicFacts(
                partitions=len(partitions),
                replicas=min(len(each["replica_nodes"]) for each in partitions),
                leaderless=sum(each["leader_id"] < 0 for each in partitions),
                operations=_operations(found),
                configs=self._configs(ConfigResourceType.TOPIC, name),
            )

    def group(self, group: str, topic: str) -> GroupFacts:
        """A group and its lag on a topic."""
        with translated("Describe", group):
            found = _patiently(lambda: self._described(group))
            committed = {
                at.partition: entry.offset
                for at, entry in self._client.list_group_offsets({group: None})[group].items()
                if at.topic == topic and entry.offset >= 0
            }
        ends = self.written(topic)
        lag = {
            index: None if index not in committed else max(0, end - committed[index])
            for index, (_, end) in ends.items()
        }
        expired = sum(
            max(0, ends[index][0] - offset) for index, offset in committed.items() if index in ends
        )
        members = len(found.get("members", ()))
        return GroupFacts(found.get("group_state"), members, _operations(found), lag, expired)

    def written(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition the first offset that is left and the one after the last."""
        with translated("Describe", topic):
            found = self._client.describe_topics([topic])[0]["partitions"]
            at = [TopicPartition(topic, each["partition_index"]) for each in found]
            first = self._offsets(at, OffsetSpec.EARLIEST)
            last = self._offsets(at, OffsetSpec.LATEST)
        return {each.partition: (first[each].offset, last[each].offset) for each in at}

    def newest_timestamp_ms(self, topic: str) -> int | None:
        """The latest timestamp of a topic's records; None: no records, or not told."""
        with translated("Describe", topic):
            found = self._client.describe_topics([topic])[0]["partitions"]
            at = [TopicPartition(topic, each["partition_index"]) for each in found]
            try:
                stamps = self._offsets(at, OffsetSpec.MAX_TIMESTAMP)
            except (*_UNTOLD, errors.KafkaConnectionError):
                return None
        return max((each.timestamp for each in stamps.values() if each.timestamp > 0), default=None)

    def transactional_id(self, name: str) -> str:
        """The state of an id's last transaction. Raises AccessDenied without Describe on it."""
        try:
            found = _patiently(lambda: self._client.describe_transactions([name]))
            return str(found[name].state.value)
        except errors.TransactionalIdNotFoundError:
            return "not used yet"
        except errors.KafkaError as error:
            raise translate(error, "Write", name) from error

    def try_transactional_id(self, name: str) -> None:
        """Take an id that nobody uses into use. Raises AccessDenied without Write on it."""
        producer = None
        try:
            producer = transactional_producer(self._kafka, _CLIENT, name)()
            producer.init_transactions()
        except errors.KafkaError as error:
            raise translate(error, "Write", name) from error
        finally:
            if producer is not None:
                producer.kill()

    def close(self) -> None:
        """Leave."""
        if self._client is not None:
            with contextlib.suppress(errors.KafkaError):
                self._client.close()

    def _configs(self, kind: ConfigResourceType, name: str) -> dict[str, str] | None:
        try:
            found = self._client.describe_configs([ConfigResource(kind, name)], config_filter="all")
        except (errors.AuthorizationError, *_UNTOLD):
            return None
        entries = found.get(kind.name.lower(), {}).get(name, {})
        told = {key: entry["value"] for key, entry in entries.items() if entry["value"] is not None}
        return told or None  # who may not ask gets an empty answer

    def _described(self, group: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._client.describe_groups([group])[group]
        except _UNTOLD:
            return {}
        problem = found.get("error") or ""
        if "AuthorizationFailed" in problem:
            raise errors.GroupAuthorizationFailedError(group)
        if problem and "NotFound" not in problem:  # Kafka 4 says so of a group that nobody joined
            raise errors.KafkaError(problem)
        return {"group_state": "new"} if problem else found

    def _offsets(self, at: Sequence[TopicPartition], spec: Any) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = self._client.list_partition_offsets(dict.fromkeys(at, spec))
        return found


@contextlib.contextmanager
def survey(kafka: KafkaSettings) -> Iterator[Survey]:
    """A survey that is closed at the end."""
    found = Survey(kafka)
    try:
        yield found
    finally:
        found.close()


def _patiently(ask: Callable[[], _Answer]) -> _Answer:
    """Ask again while the broker makes its topic of positions or transactions: the first time."""
    for attempt in stamina.retry_context(on=_MADE_NOW, timeout=_MAKING_S, attempts=None):
        with attempt:
            answer = ask()
    return answer


def _operations(described: Mapping[str, Any]) -> Operations:
    told = described.get("authorized_operations")
    return None if told is None else frozenset(told)
