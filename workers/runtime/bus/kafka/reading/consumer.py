"""The consumer port on kafka-python."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from kafka import errors

from workers.runtime.bus.kafka.client import missing_topics, unpacked_limit
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.bus.kafka.faults import prepare_poll
from workers.runtime.bus.kafka.reading.start import seek_to_start
from workers.runtime.bus.kafka.reading.unpacking import Guard
from workers.runtime.bus.kafka.rebalance import as_offsets, as_partition, as_topic_partition
from workers.runtime.bus.ports import Gap, Partition, Positions, Record, Start
from workers.runtime.errors import TopicMissing
from workers.runtime.settings.process import KafkaSettings

_log = structlog.get_logger(__name__)

_UNKNOWN_END = 2**63 - 1  # of a partition: any offset lies before it
_ABSENT_S = 1.0  # a topic that was only just asked for is not missing yet
_POSITION_MS = 500  # known locally, except right after an assignment


class KafkaBusConsumer:
    """Consumer port on kafka-python. One thread only."""

    def __init__(
        self,
        client: Any,
        kafka: KafkaSettings,
        topics: frozenset[str],
        from_beginning: bool,
        *,
        start_of: Callable[[Partition], Start] | None = None,
        watched: frozenset[str] = frozenset(),
    ):
        """`watched`: topics that are not read, but have to be there."""
        self._client, self._session_s = client, kafka.session_timeout_ms / 1000
        self._request_ms = kafka.request_timeout_ms
        self._topics, self._from_beginning = topics, from_beginning
        self._watched, self._missing = watched, frozenset[str]()
        self._absent: dict[str, float] = {}  # topic -> since when
        self._start_of = start_of
        self._begun: dict[Partition, int] = {}
        self._guard = Guard(client, unpacked_limit(kafka))
        self._gaps: list[Gap] = []

    def poll(self, timeout_s: float) -> list[Record]:
        """Records that have arrived. Raises Transient, AccessDenied or Fatal."""
        with translated("Read"):
            prepare_poll(self._client)
            self._look_for_topics()
            try:
                batches = self._client.poll(timeout_ms=int(timeout_s * 1000))
            except errors.NoOffsetForPartitionError as error:
                self._start(error.args[0])
                return []
            except errors.OffsetOutOfRangeError as error:
                self._skip_expired(error.args[0])
                return []
            denied = self._client._cluster.unauthorized_topics & self._topics
            if denied and not batches:  # the client only logs it, and waits for ever
                raise errors.TopicAuthorizationFailedError(denied)
        return [_record(item) for batch in batches.values() for item in batch]

    def gaps(self) -> list[Gap]:
        """Records that expired or cannot be unpacked; told once."""
        found, self._gaps = self._gaps + self._guard.gaps(), []
        return found

    def _start(self, tps: Iterable[Any]) -> None:
        """Where the group has no position."""
        ends: Mapping[Any, int] = {}
        if not self._from_beginning:
            self._client.seek_to_end(*tps)
        elif self._start_of is None:
            self._client.seek_to_beginning(*tps)
        else:
            starts = {tp: self._start_of(as_partition(tp)) for tp in tps}
            ends = seek_to_start(self._client, starts)
        self._begun |= {as_partition(tp): ends.get(tp, _UNKNOWN_END) for tp in tps}

    def begun(self) -> Positions:
        """Partitions that the group had no position for, and where they ended; told once."""
        found, self._begun = self._begun, {}
        return found

    def _skip_expired(self, wanted: Mapping[Any, int]) -> None:
        """Go on with the oldest record that is left.

        A position behind the end (the topic was made anew) goes there too: reading a frame again
        is harmless, missing one is not.
        """
        oldest = self._client.beginning_offsets(list(wanted), timeout_ms=self._request_ms)
        for tp, position in wanted.items():
            _log.error("position is gone", at=tp, position=position, oldest=oldest[tp])
            if position < oldest[tp]:
                self._gaps.append(Gap(as_partition(tp), position, oldest[tp] - 1))
            self._client.seek(tp, oldest[tp])

    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours now."""
        return frozenset(as_partition(tp) for tp in self._client.assignment())

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop fetching from these; those that were taken away meanwhile are skipped."""
        self._client.pause(*self._own(partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from these again."""
        self._client.resume(*self._own(partitions))

    def _own(self, partitions: Iterable[Partition]) -> list[Any]:
        assigned = self._client.assignment()
        return [tp for tp in map(as_topic_partition, partitions) if tp in assigned]

    def commit(self, positions: Positions) -> None:
        """Store positions. Raises MembershipLost or Transient."""
        with translated():
            self._client.commit(as_offsets(positions))

    def lag(self) -> dict[Partition, int]:
        """Records not yet read, per partition, as the last fetch saw it."""
        found = {}
        for partition in self.assignment():
            end = self._client.highwater(as_topic_partition(partition))
            position = self.position(partition)
            if end is not None and position is not None:
                found[partition] = max(0, end - position)
        return found

    def position(self, partition: Partition) -> int | None:
        """The offset after what `poll` returned, markers included; None when it is not known."""
        tp = as_topic_partition(partition)
        if tp not in self._client.assignment():
            return None
        with translated():
            found = self._client.position(tp, timeout_ms=_POSITION_MS)
        return None if found is None else int(found)

    def stable(self) -> bool:
        """Whether the group has settled and gave us partitions."""
        return self._state() == "<stable>"

    def missing(self) -> frozenset[str]:
        """Topics we need that the broker does not have, or does not show us."""
        return self._missing

    def _look_for_topics(self) -> None:
        """Note which are missing; say it once, and once when they are there."""
        cluster, now = self._client._cluster, time.monotonic()
        for topic in self._watched:  # a new subscription makes the client forget them
            cluster.add_topic(topic)
        absent = missing_topics(cluster, self._topics | self._watched)
        self._absent = {topic: self._absent.get(topic, now) for topic in absent}
        missing = frozenset(t for t, since in self._absent.items() if now - since >= _ABSENT_S)
        if missing and missing != self._missing:
            _log.error("topic missing", reason=str(TopicMissing(missing)))
        elif missing != self._missing:
            _log.info("topics are there", topics=sorted(self._missing))
        self._missing = missing

    def generation(self) -> object | None:
        """The group's metadata as transactions need it; without a member id nothing is fenced."""
        metadata = self._client.group_metadata()
        member = metadata.generation_id >= 0 and metadata.member_id
        return metadata if member else None

    def _state(self) -> str:
        metadata = self._client.group_metadata()
        return "<unjoined>" if metadata is None else str(metadata.state)

    def close(self) -> None:
        """Leave the group, but not in the middle of a rebalance.

        The embedded broker waits for ever for a leader that left while somebody joined. What is
        read meanwhile is not committed. An unreachable broker does not hold us up for long.
        """
        deadline = time.monotonic() + self._session_s
        with contextlib.suppress(errors.KafkaError):
            while self._state() == "<rebalancing>" and time.monotonic() < deadline:
                prepare_poll(self._client)
                self._client.poll(timeout_ms=100, max_records=1)
        with contextlib.suppress(errors.KafkaError):
            self._client.close(autocommit=False, timeout_ms=5000)


def _record(item: Any) -> Record:
    headers = tuple((name, data or b"") for name, data in item.headers or ())
    partition = Partition(item.topic, item.partition)
    return Record(partition, item.offset, item.key, item.value, headers, item.timestamp)
