"""The client's fetcher with our records in it, on bytes that no broker would send."""

import random
import struct
import time
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition, errors
from kafka.consumer.fetcher import CompletedFetch, Fetcher
from kafka.consumer.subscription_state import SubscriptionState
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.util import calc_crc32c, encode_varint
from kafka.structs import OffsetAndMetadata
from structlog.testing import capture_logs

from workers.runtime.bus.kafka.reading.unpacking import Guard
from workers.runtime.bus.ports import Gap, GapCause, Partition

P = TopicPartition("frames", 0)
LIMIT = 1_000_000
END = 10_000
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
Header = tuple[str, bytes | None]


def batch(
    base: int, *values: bytes, codec: int = 0, headers: tuple[Header, ...] = (), **changes: int
) -> bytes:
    """A batch; changes: `attributes`, `last_offset_delta`, `count`, before it is sealed."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**24,
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1, key=b"k", value=value, headers=list(headers))
    return sealed(bytearray(builder.build()), base, **changes)


def sealed(data: bytearray, base: int, **changes: int) -> bytes:
    struct.pack_into(">q", data, 0, base)
    places = {"attributes": (">h", 21), "last_offset_delta": (">i", 23), "count": (">i", 57)}
    for name, value in changes.items():
        form, at = places[name]
        struct.pack_into(form, data, at, value)
    struct.pack_into(">I", data, 17, calc_crc32c(memoryview(data)[21:]))
    return bytes(data)


def raw(base: int, records: bytes, count: int = 1) -> bytes:
    """A batch whose records are these bytes."""
    data = bytearray(batch(base, b""))[:61] + records
    struct.pack_into(">i", data, 8, len(data) - 12)
    return sealed(data, base, count=count, last_offset_delta=count - 1)


def varint(value: int) -> bytes:
    out = bytearray()
    encode_varint(value, out.append)
    return bytes(out)


def old_batch(base: int, *values: bytes, magic: int = 1, codec: int = 0) -> bytes:
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=2**24)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1, key=b"k", value=value)
    data = bytearray(builder.build())
    last = base + len(values) - 1 if codec else base
    struct.pack_into(">q", data, 0, last)
    return bytes(data)


class Log:
    """A partition of a broker: batches, and a fetcher that reads them."""

    def __init__(self, *batches: bytes) -> None:
        self.batches = list(batches)
        self.error = 0
        self.fetches = 0
        subscriptions: Any = SubscriptionState(offset_reset_strategy="none")
        subscriptions.assign_from_user([P])
        subscriptions.seek(P, OffsetAndMetadata(0, "", -1))
        self.state = subscriptions.assignment[P]
        self.fetcher: Any = Fetcher.__new__(Fetcher)
        self.fetcher.config = Fetcher.DEFAULT_CONFIG
        self.fetcher._subscriptions = subscriptions
        self.fetcher._sensors = None
        self.fetcher._isolation_level = 1
        self.fetcher._completed_fetches = deque()
        self.fetcher._paused_completed_fetches = {}
        self.fetcher._paused_partition_records = {}
        self.fetcher._next_partition_records = None
        self.fetcher._next_in_line_exception_metadata = None
        cluster = SimpleNamespace(
            leader_epoch_for_partition=lambda tp: 3, request_update=lambda: None
        )
        self.fetcher._manager = SimpleNamespace(cluster=cluster)
        client = SimpleNamespace(
            _fetcher=self.fetcher, _subscription=subscriptions, _cluster=cluster
        )
        self.guard = Guard(client, LIMIT)

    @property
    def position(self) -> int:
        return int(self.state.position.offset)

    def sends(self) -> bytes:
        """From the batch on that holds the position, as a broker answers a fetch."""
        for index, data in enumerate(self.batches):
            if self.last_of(data) >= self.position:
                return b"".join(self.batches[index:])
        return b""

    @staticmethod
    def last_of(data: bytes) -> int:
        (base,) = struct.unpack_from(">q", data)
        return int(base + struct.unpack_from(">i", data, 23)[0]) if data[16] == 2 else int(base)

    def poll(self, data: bytes | None = None, most: int = 500) -> list[Any]:
        """One fetch, and what the client makes of it. Fails when that takes for ever."""
        self.fetches += 1
        found = self.sends() if data is None else data
        partition = SimpleNamespace(
            error_code=self.error,
            high_watermark=END,
            records=found,
            aborted_transactions=None,
            diverging_epoch=None,
            preferred_read_replica=-1,
            current_leader=None,
        )
        done = CompletedFetch(P, self.position, 12, partition, None)
        if not self.fetcher._next_partition_records:
            self.fetcher._completed_fetches.append(done)
        records, _ = self.fetcher.fetched_records(most)
        return list(records.get(P, []))

    def read(self, polls: int = 50) -> tuple[list[tuple[int, bytes]], list[Gap]]:
        """Everything, in its order."""
        found, gaps = [], []
        for _ in range(polls):
            records = self.poll()
            gaps += self.guard.gaps()
            found += [(record.offset, record.value) for record in records]
        return found, gaps


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("codec", [0, GZIP, SNAPPY, LZ4, ZSTD])
def test_batches_of_every_codec_beside_each_other(codec: int) -> None:
    log = Log(batch(0, b"a", b"b"), batch(2, b"c", codec=codec), batch(3, b"d"))
    assert log.read() == ([(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d")], [])


@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, GZIP), (1, 0), (1, SNAPPY), (1, LZ4)])
def test_the_formats_before_headers_are_read(magic: int, codec: int) -> None:
    values = (b"a", b"b", b"c") if codec and magic else (b"a",)
    log = Log(old_batch(0, *values, magic=magic, codec=codec), batch(len(values), b"z"))
    found, gaps = log.read()
    assert [value for _, value in found] == [*values, b"z"]
    assert gaps == []


def test_reading_begins_in_the_middle_of_a_batch() -> None:
    log = Log(batch(0, b"a", b"b", b"c", codec=ZSTD), batch(3, b"d"))
    log.state.position = OffsetAndMetadata(2, "", -1)
    assert log.read() == ([(2, b"c"), (3, b"d")], [])


def test_an_empty_batch_and_a_marker_are_passed() -> None:
    control = batch(3, b"", attributes=0x20)  # as a marker: it has no valid key, and is not read
    log = Log(batch(0, b"a"), batch(1, codec=LZ4, count=0, last_offset_delta=1), control)
    assert log.read() == ([(0, b"a")], [])
    assert log.position == 4


UNREADABLE = {
    "an unknown codec": batch(1, b"x", b"y", attributes=7),
    "no gzip": batch(1, b"x", b"y", attributes=GZIP),
    "no zstd": batch(1, b"x", b"y", attributes=ZSTD),
    "a bomb": batch(1, b"\0" * 5_000_000, b"y", codec=ZSTD),
    "a record that ends behind the batch": raw(1, varint(100) + b"\0" * 10, count=2),
    "a record of negative size": raw(1, varint(-5) + b"\0" * 40, count=2),
    "a thousand million headers": raw(
        1, varint(60) + b"\0\0\0" + varint(-1) * 2 + varint(10**9) + b"\0" * 40, count=2
    ),
    "a value of a gigabyte": raw(
        1, varint(60) + b"\0\0\0" + varint(-1) + varint(2**30) + b"\0" * 50, count=2
    ),
    "an offset that it does not have": raw(1, varint(6) + b"\0\0" + varint(7) + b"\1\1\0", count=2),
    "a varint without an end": raw(1, b"\xff" * 40, count=2),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_unpacked_is_a_gap_of_the_whole_batch(name: str) -> None:
    log = Log(batch(0, b"a"), UNREADABLE[name], batch(3, b"d"))
    found, gaps = log.read()
    assert found == [(0, b"a"), (3, b"d")]
    [gap] = gaps
    assert (gap.partition, gap.first, gap.last) == (Partition("frames", 0), 1, 2)
    assert gap.cause is GapCause.UNREADABLE
    assert gap.why


def test_a_count_beyond_what_is_there_costs_no_record() -> None:
    log = Log(batch(0, b"a"), batch(1, b"x", b"y", count=2**31 - 1), batch(3, b"d"))
    assert log.read() == ([(0, b"a"), (1, b"x"), (2, b"y"), (3, b"d")], [])


def test_good_records_before_a_bad_one_of_their_batch_come_through() -> None:
    good = bytes(batch(1, b"x"))[61:]
    log = Log(batch(0, b"a"), raw(1, good + b"\xff" * 30, count=3), batch(4, b"d"))
    found, [gap] = log.read()
    assert found == [(0, b"a"), (1, b"x"), (4, b"d")]
    assert (gap.first, gap.last) == (2, 3)


def test_a_header_name_of_any_bytes_costs_nothing() -> None:
    name = b"ce_\xff\xfe"
    header = varint(1) + varint(len(name)) + name + varint(1) + b"v"
    body = b"\0\0\0" + varint(1) + b"k" + varint(1) + b"v" + header
    log = Log(raw(0, varint(len(body)) + body))
    [record] = log.poll()
    assert record.headers == [("ce_\\xff\\xfe", b"v")]
    assert log.guard.gaps() == []


def test_an_old_batch_whose_inner_length_runs_in_a_circle_ends() -> None:
    inner = bytearray(old_batch(0, b"a"))
    struct.pack_into(">i", inner, 8, -12)
    wrapper = LegacyRecordBatchBuilder(magic=1, compression_type=GZIP, batch_size=2**20)
    wrapper._buffer = inner
    log = Log(bytes(wrapper.build()), batch(1, b"b"))
    found, [gap] = log.read()
    assert (found, gap.first, gap.last) == ([(1, b"b")], 0, 0)


def test_a_wrong_checksum_is_fetched_again_before_it_is_given_up() -> None:
    good, log = batch(0, b"a"), Log(batch(1, b"b"))
    bad = good[:-1] + b"\xff"
    for _ in range(3):
        assert log.poll(bad) == []
        assert (log.guard.gaps(), log.position) == ([], 0)
    assert [record.value for record in log.poll(good)] == [b"a"]
    log.state.position = OffsetAndMetadata(0, "", -1)
    for _ in range(4):
        assert log.poll(bad) == []
    [gap] = log.guard.gaps()
    assert (gap.first, gap.last, log.position) == (0, 0, 1)


@pytest.mark.parametrize(("size", "last"), [(5, 0), (12, 0), (40, 0), (61, 1), (70, 1)])
def test_a_batch_that_is_cut_off_is_given_up_too(size: int, last: int) -> None:
    whole, log = batch(0, b"a", b"b"), Log()
    for _ in range(3):
        assert log.poll(whole[:size]) == []
        assert (log.guard.gaps(), log.position) == ([], 0)
    log.poll(whole[:size])
    [gap] = log.guard.gaps()
    assert (gap.first, gap.last, log.position) == (0, last, last + 1)  # as far as its header tells


def test_a_gap_never_overtakes_the_records_before_it() -> None:
    log = Log(batch(0, b"a", b"b"), batch(2, b"x", attributes=7))
    assert [record.offset for record in log.poll()] == [0, 1]
    assert (log.guard.gaps(), log.position) == ([], 2)
    assert log.poll() == []
    assert [gap.first for gap in log.guard.gaps()] == [2]


@pytest.mark.parametrize("base", [-(2**63), -1, 3, 5, END, 2**62])
def test_a_base_offset_that_cannot_be_moves_no_position(base: int) -> None:
    """No checksum covers it."""
    whole = batch(4, b"a") + batch(5, b"b")
    log = Log()
    log.state.position = OffsetAndMetadata(4, "", -1)
    log.poll(struct.pack(">q", base) + whole[8:])
    assert log.position == 4
    assert [record.offset for record in log.poll(whole)] == [4, 5]


def test_records_behind_the_end_that_came_with_them_are_no_damage_the_first_time() -> None:
    """A broker reads its end before its records."""
    ahead, log = batch(END, b"a"), Log()
    log.state.position = OffsetAndMetadata(END, "", -1)
    with capture_logs() as said:
        assert log.poll(ahead) == []
        assert [each["log_level"] for each in said] == ["debug"]
        assert log.poll(ahead) == []
    assert [each["log_level"] for each in said] == ["debug", "warning"]
    assert (log.guard.gaps(), log.position) == ([], END)


def test_a_leader_epoch_that_cannot_be_is_not_believed() -> None:
    data = bytearray(batch(0, b"a"))
    struct.pack_into(">i", data, 12, 2**30)
    log = Log(bytes(data))
    log.poll()
    assert log.state.position.leader_epoch == -1


def test_what_the_broker_calls_corrupt_is_passed_over_offset_by_offset() -> None:
    log = Log()
    log.error = errors.CorruptRecordError.errno
    for _ in range(4):
        log.poll(b"")
    [gap] = log.guard.gaps()
    assert (gap.first, gap.last, log.position) == (0, 0, 1)
    assert "broker" in gap.why


def test_another_error_of_a_partition_names_its_place() -> None:
    log = Log()
    log.error = errors.UnknownError.errno
    with pytest.raises(errors.KafkaError, match="frames 0 cannot be read at 0"):
        log.poll(b"")


def test_a_poll_that_was_interrupted_does_not_spin() -> None:
    """A second signal raises in the middle of unpacking; what is polled after it ends."""
    log = Log(batch(0, b"a", b"b"))
    log.poll(most=1)
    records = log.fetcher._next_partition_records
    records.record_iterator = iter(())  # as a generator is after it raised
    assert log.poll(most=1) == []
    assert not log.fetcher._next_partition_records


@pytest.mark.slow
def test_no_mutation_hangs_raises_or_costs_a_good_record() -> None:
    chance = random.Random(17)  # noqa: S311
    for _ in range(1500):
        codec = chance.choice((0, GZIP, SNAPPY, LZ4, ZSTD))
        bad = bytearray(batch(2, b"x" * 50, b"y", b"z", codec=codec, headers=(("ce_id", b"1"),)))
        for _ in range(chance.randint(1, 6)):
            bad[chance.randrange(8, len(bad))] = chance.randrange(256)
        if chance.random() < 0.5:
            bad = bytearray(sealed(bad, 2, count=3, last_offset_delta=2, attributes=codec))
        if chance.random() < 0.2:
            bad = bad[: chance.randrange(len(bad))]
        log = Log(batch(0, b"a", b"b"), batch(2, b"1", b"2", b"3"), batch(5, b"c"))
        log.batches[1] = bytes(bad)
        log.last_of = lambda data, log=log: {0: 1, 1: 4, 2: 5}[log.batches.index(data)]  # type: ignore[method-assign]
        found, gaps = log.read(30)
        offsets = [offset for offset, _ in found]
        assert offsets == sorted(set(offsets))
        assert {0, 1, 5} <= set(offsets)
        told = {offset for gap in gaps for offset in range(gap.first, gap.last + 1)}
        assert told | set(offsets) == set(range(6))
        assert not told & set(offsets)
