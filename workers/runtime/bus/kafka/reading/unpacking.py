"""Reading survives any batch: one that cannot be unpacked is passed over, and told as a gap.

kafka-python unpacks while it is polled. Where that raises, `fetched_records` asks a dead generator
for ever, at full speed; a batch that is cut off stops its partition without naming it; and what
comes out of a codec has no bound. So fetchers get records of ours, which never raise.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import structlog
from kafka import errors
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.structs import OffsetAndMetadata

from workers.runtime.bus.kafka.reading.batches import (
    AnyBatch,
    Damaged,
    batch_at,
    last_unreadable,
    overlaps,
)
from workers.runtime.bus.kafka.rebalance import as_partition
from workers.runtime.bus.ports import Gap, GapCause

_log = structlog.get_logger(__name__)

_TRIES = 4  # that a batch is fetched when it may have been damaged on its way
_MOST = 300  # characters of a reason


class Ahead(Damaged):
    """Offsets behind the end that came with them. A broker reads its end before its records, and
    more may be written in between: seen once, it is no damage.
    """


class Guard:
    """Stands between a consumer and its batches. Used by the thread that polls."""

    def __init__(self, client: Any, limit: int) -> None:
        self._client, self._fetcher = client, client._fetcher
        self.limit = limit  # bytes of an unpacked batch
        self._tries: dict[Any, tuple[int, int]] = {}  # partition -> offset, times that it failed
        self._gaps: list[Gap] = []
        self._parse = self._fetcher._parse_fetched_data
        self._fetcher.PartitionRecords = partial(Records, self)
        self._fetcher._parse_fetched_data = self._parse_guarded

    def gaps(self) -> list[Gap]:
        """What was passed over; told once. No record that is read with it lies before it."""
        found, self._gaps = self._gaps, []
        return found

    def state(self, tp: Any) -> Any:
        """What the client keeps of a partition; None when it is not ours (any more)."""
        return self._client._subscription.assignment.get(tp)

    def end(self, tp: Any) -> int:
        """The partition's, as the last fetch told it; -1: not known."""
        state = self.state(tp)
        return -1 if state is None or state.highwater is None else int(state.highwater)

    def passes_over(self, tp: Any, first: int, last: int, error: Exception) -> bool:
        """Whether what cannot be read from `first` to `last` is given up, and told as a gap."""
        why = f"{error}"[:_MOST] or type(error).__name__
        place = {"topic": tp.topic, "partition": tp.partition, "first": first, "reason": why}
        at, tries = self._tries.get(tp, (first, 0))
        self._tries[tp] = first, (tries if at == first else 0) + 1
        if isinstance(error, Damaged) and self._tries[tp][1] < _TRIES:
            quiet = isinstance(error, Ahead) and self._tries[tp][1] == 1
            (_log.debug if quiet else _log.warning)(
                "a batch came damaged, fetching it again", **place
            )
            return False
        _log.error("records cannot be unpacked", last=last, **place)
        self._gaps.append(Gap(as_partition(tp), first, last, GapCause.UNREADABLE, why))
        return True

    def epoch(self, tp: Any, said: int) -> int:
        """A batch's leader epoch, which no checksum covers; -1 where it cannot be."""
        known = self._client._cluster.leader_epoch_for_partition(tp)
        return said if known is not None and 0 <= said <= known else -1

    def _parse_guarded(self, completed: Any) -> Any:
        """The fetcher's `_parse_fetched_data`; it raises only what names its place."""
        tp, at, data = completed[0], completed.fetched_offset, completed.partition_data
        try:
            return self._parse(completed)
        except (errors.OffsetOutOfRangeError, errors.AuthorizationError):
            raise
        except Exception as error:
            if data.error_code not in (errors.NoError.errno, errors.CorruptRecordError.errno):
                raise errors.KafkaError(
                    f"{tp.topic} {tp.partition} cannot be read at {at}: {type(error).__name__}"
                ) from error
            self._pass_over_cut_off(tp, at, data)
        return None

    def _pass_over_cut_off(self, tp: Any, at: int, data: Any) -> None:
        """What `Records` never sees: no whole batch came."""
        found = memoryview(bytes(data.records or b""))
        last = last_unreadable(found, 0, at, data.high_watermark, self.limit)
        if self.passes_over(tp, at, last, _damage(data)):
            self.state(tp).position = OffsetAndMetadata(last + 1, "", -1)


def _damage(data: Any) -> Damaged:
    if data.error_code:
        return Damaged("the broker says that it is corrupt")
    return Damaged("the batch is cut off")


class Records(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What one fetch brought of a partition, record by record; ends where it cannot be read."""

    fetch_offset: int
    next_fetch_offset: int

    def __init__(self, guard: Guard, fetch_offset: int, tp: Any, records: Any, **how: Any) -> None:
        self._guard, self._batch_at, self._passed = guard, 0, False
        super().__init__(fetch_offset, tp, records, **how)

    def take(self, n: int | None = None) -> list[Any]:
        """At most `n` records; an iterator that gives none is at its end."""
        found: list[Any] = super().take(n)
        if not found:
            self.drain()
        return found

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Any]:  # noqa: ARG002
        data = memoryview(records._buffer)
        try:
            while framed := batch_at(data, self._batch_at, self._guard.limit):
                batch, end = framed
                self._check_offsets(batch, overlaps(data, batch, end, self._guard.limit))
                yield from self._records_of(batch)
                self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)
                self._batch_at = end
            self._check_progress(data)
        except Exception as error:
            self._stop(data, error)
        self.drain()

    def _records_of(self, batch: AnyBatch) -> Iterator[Any]:
        if batch.next_offset <= self.next_fetch_offset:
            self._passed = True  # a broker begins with the batch that holds what was asked for
            return
        if batch.magic == 2:
            self.leader_epoch = self._guard.epoch(self.topic_partition, batch.leader_epoch)
            if self._left_out(batch):
                return
        whole = batch.magic == 2 and batch.records_count == batch.last_offset_delta + 1
        previous = batch.base_offset - 1 if whole else -1
        for record in batch:
            most = previous + 1 if whole else batch.last_offset  # compaction leaves holes
            if not (previous < record.offset <= most and record.validate_crc()):
                raise Damaged(f"a record that says it has offset {record.offset}")
            previous = record.offset
            yield self._told(record)

    def _check_progress(self, data: memoryview) -> None:
        if data and self.next_fetch_offset == self.fetch_offset:
            raise Damaged("nothing in it lies at or after the offset that was asked for")

    def _check_offsets(self, batch: AnyBatch, again: bool) -> None:
        """No checksum covers a base offset. Raises Damaged."""
        base, last, end = (
            batch.base_offset,
            batch.last_offset,
            self._guard.end(self.topic_partition),
        )
        left_out = self._passed and batch.magic == 2 and base > self.next_fetch_offset
        cannot_be = f"its offsets, {base} to {last}, cannot be"
        if last < 0 or again or left_out:
            raise Damaged(cannot_be)
        if 0 <= end <= last:
            raise Ahead(cannot_be)

    def _left_out(self, batch: Any) -> bool:
        """Markers, and what an aborted transaction wrote."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if batch.records_count and self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _told(self, record: Any) -> ConsumerRecord:
        self.records_read += 1
        self.bytes_read += record.size_in_bytes
        self.next_fetch_offset = max(self.next_fetch_offset, record.offset + 1)
        tp, sizes = self.topic_partition, (-1, -1, -1)  # nobody asks for them
        return ConsumerRecord(
            *(tp.topic, tp.partition, self.leader_epoch),
            *(record.offset, record.timestamp, record.timestamp_type),
            *(record.key, record.value, record.headers, record.checksum, *sizes),
        )

    def _stop(self, data: memoryview, error: Exception) -> None:
        """Pass over what cannot be read; behind good records only when it is fetched anew."""
        tp, first = self.topic_partition, self.next_fetch_offset
        last = last_unreadable(data, self._batch_at, first, self._guard.end(tp), self._guard.limit)
        if first == self.fetch_offset and self._guard.passes_over(tp, first, last, error):
            self.next_fetch_offset = last + 1
