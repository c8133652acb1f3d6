"""Any batch: packed by any codec, damaged, cut off, or written by somebody who means harm."""

import contextlib
import random
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fetch_proxy import FetchProxy
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.record.util import calc_crc32c
from typer.testing import CliRunner

from schemas.envelope import event_type
from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.interruption import Interruption
from workers.cli import app
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Gap, GapCause, Outgoing, Partition, Record
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
CRC_AT, ATTRIBUTES_AT, RECORDS_AT = 17, 21, 61
BATCHES = 200  # damaged: each kind with each codec four times


def sealed(batch: bytearray) -> bytes:
    """With a checksum that holds."""
    struct.pack_into(">I", batch, CRC_AT, calc_crc32c(memoryview(batch)[ATTRIBUTES_AT:]))
    return bytes(batch)


def flipped(batch: bytes, chance: random.Random, first: int) -> bytearray:
    found = bytearray(batch)
    for _ in range(chance.randint(1, 5)):
        found[chance.randrange(first, len(found))] ^= 1 << chance.randrange(8)
    return found


def on_disk(batch: bytes, chance: random.Random) -> bytes:
    """The checksum tells."""
    return bytes(flipped(batch, chance, 8))


def by_its_writer(batch: bytes, chance: random.Random) -> bytes:
    """The checksum holds: codec and records may say anything."""
    return sealed(flipped(batch, chance, RECORDS_AT))


def cut_off(batch: bytes, chance: random.Random) -> bytes:
    return batch[: chance.randrange(len(batch))]


def wrong_length(batch: bytes, chance: random.Random) -> bytes:
    sizes = (-(2**31), -100, -12, -1, 0, 5, 49, 50, len(batch) - 20, 2**31 - 1)
    return batch[:8] + struct.pack(">i", chance.choice(sizes)) + batch[12:]


def other_format(batch: bytes, chance: random.Random) -> bytes:
    return batch[:16] + bytes([chance.choice((0, 1, 3, 127, 255))]) + batch[17:]


KINDS = (on_disk, by_its_writer, cut_off, wrong_length, other_format)


def write(kafka: KafkaSettings, topic: str, values: list[bytes], codec: str | None) -> None:
    """One batch."""
    options: dict[str, Any] = {"compression_type": codec, "linger_ms": 5000, "batch_size": 2**24}
    with contextlib.closing(
        KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_request_size=2**24, **options)
    ) as producer:
        for value in values:
            producer.send(topic, value=value, key=b"k", headers=[("ce_id", b"x")])
        producer.flush()


class Reading:
    """What a reader returned, in its order."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.gaps: list[Gap] = []
        self.told: list[tuple[int, int]] = []

    def read(self, client: Any, end: int, seconds: float = 400.0) -> "Reading":
        deadline = time.monotonic() + seconds
        while not self.told or self.told[-1][1] < end - 1:
            assert time.monotonic() < deadline, self.told[-3:]
            records = client.poll(0.2)
            gaps = client.gaps()
            self.told += [(gap.first, gap.last) for gap in gaps]
            self.told += [(record.offset, record.offset) for record in records]
            self.records += records
            self.gaps += gaps
        return self

    @property
    def passed_over(self) -> set[int]:
        return {offset for gap in self.gaps for offset in range(gap.first, gap.last + 1)}


READERS: dict[str, Callable[[KafkaSettings, str], Any]] = {
    "member": lambda kafka, topic: connect_consumer(kafka, f"{topic}-g", [topic], "c"),
    "reader": lambda kafka, topic: KafkaReader(kafka, topic, "r"),
}


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read_whoever_set_it(
    apache_kafka: KafkaSettings, prefix: str, codec: str | None
) -> None:
    topic = f"{prefix}packed"
    create_topics(apache_kafka, {topic: 1})
    values = [b"%d:" % n + b"picture" * 1000 for n in range(20)]
    write(apache_kafka, topic, values, codec)
    for open_reader in READERS.values():
        with contextlib.closing(open_reader(apache_kafka, topic)) as client:
            found = Reading().read(client, 20)
        assert ([record.value for record in found.records], found.gaps) == (values, [])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_what_we_write_may_be_packed(apache_kafka: KafkaSettings, prefix: str, codec: str) -> None:
    topic = f"{prefix}ours"
    create_topics(apache_kafka, {topic: 1})
    packed = apache_kafka.model_copy(update={"compression": codec})
    frame = Frame(
        frame_id=new_frame_id(),
        camera_id="c",
        category="bolts",
        sequence=0,
        captured_at=datetime.now(UTC),
        content_type="image/png",
        data=b"picture" * 10_000,
    )
    with contextlib.closing(connect_producer(packed, "camera")) as producer:
        producer.publish([Outgoing(topic, encode_frame(frame))])
    with contextlib.closing(KafkaConsumer(bootstrap_servers=packed.bootstrap_servers)) as client:
        at = TopicPartition(topic, 0)
        client.assign([at])
        client.seek(at, 0)
        [[record]] = client.poll(10_000).values()
    assert record.value == frame.data


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reader", READERS)
def test_every_good_record_comes_through_whatever_lies_beside_it(
    apache_kafka: KafkaSettings, prefix: str, reader: str
) -> None:
    topic, chance = f"{prefix}mixed", random.Random(11)  # noqa: S311
    create_topics(apache_kafka, {topic: 1})
    options: dict[str, Any] = {"linger_ms": 5000, "batch_size": 2**20}
    first_to_size: dict[int, int] = {}
    end = 0
    with contextlib.ExitStack() as stack:
        servers = apache_kafka.bootstrap_servers
        producers = [
            stack.enter_context(
                contextlib.closing(
                    KafkaProducer(bootstrap_servers=servers, compression_type=codec, **options)
                )
            )
            for codec in CODECS
        ]
        for _ in range(BATCHES):
            producer, size = chance.choice(producers), chance.randint(1, 4)
            for offset in range(end, end + size):
                value = b"%d:" % offset + chance.randbytes(chance.randint(0, 200))
                producer.send(topic, value=value, key=b"k", headers=[("ce_id", b"x" * 20)])
            producer.flush()
            first_to_size[end] = size
            end += size
    kinds = {base: chance.choice(KINDS) for base in first_to_size if chance.random() < 0.5}

    def damage(name: str, _: int, base: int, batch: bytes) -> bytes:
        if name != topic or base not in kinds:
            return batch
        return kinds[base](batch, random.Random(base))  # noqa: S311  (the same each time)

    with FetchProxy(apache_kafka.bootstrap_servers, damage) as proxy:
        proxied = apache_kafka.model_copy(update={"bootstrap_servers": proxy.address})
        with contextlib.closing(READERS[reader](proxied, topic)) as client:
            found = Reading().read(client, end)
    offsets = [record.offset for record in found.records]
    good = {o for b, n in first_to_size.items() if b not in kinds for o in range(b, b + n)}
    assert found.told == sorted(found.told)
    assert len(offsets) == len(set(offsets))
    assert good <= set(offsets)
    assert set(range(end)) == set(offsets) | found.passed_over
    assert not set(offsets) & found.passed_over
    for record in found.records:
        if record.offset in good:
            assert (record.value or b"").startswith(b"%d:" % record.offset)
    assert all(gap.why and gap.cause is GapCause.UNREADABLE for gap in found.gaps)


def test_what_was_damaged_on_the_wire_is_fetched_again(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    topic = f"{prefix}wire"
    create_topics(apache_kafka, {topic: 1})
    for n in range(5):
        write(apache_kafka, topic, [b"%d" % n], None)
    failing = {1: 2, 3: 3}  # base offset -> times that it comes damaged

    def damage(name: str, _: int, base: int, batch: bytes) -> bytes:
        if name != topic or not failing.get(base):
            return batch
        failing[base] -= 1
        return batch[:-1] + bytes([batch[-1] ^ 1])

    with FetchProxy(apache_kafka.bootstrap_servers, damage) as proxy:
        proxied = apache_kafka.model_copy(update={"bootstrap_servers": proxy.address})
        with contextlib.closing(KafkaReader(proxied, topic, "r")) as client:
            found = Reading().read(client, 5)
    assert [record.value for record in found.records] == [b"0", b"1", b"2", b"3", b"4"]
    assert found.gaps == []


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_is_passed_over_within_a_bound(
    apache_kafka: KafkaSettings, prefix: str, codec: str
) -> None:
    topic = f"{prefix}bomb"
    small = apache_kafka.model_copy(update={"max_frame_bytes": 2**20, "max_unpacked_bytes": 2**22})
    create_topics(apache_kafka, {topic: 1})
    write(apache_kafka, topic, [b"before"], None)
    write(apache_kafka, topic, [b"\0" * 15_000_000, b"with it"], codec)
    write(apache_kafka, topic, [b"after"], None)
    with contextlib.closing(KafkaReader(small, topic, "r")) as client:
        found = Reading().read(client, 4)
    assert [record.value for record in found.records] == [b"before", b"after"]
    [gap] = found.gaps
    assert (gap.partition, gap.first, gap.last) == (Partition(topic, 0), 1, 2)
    assert "kafka.max_unpacked_bytes" in gap.why


@contextlib.contextmanager
def spoiling(stage: Any, topic: str, bases: set[int]) -> Iterator[str]:
    """The address of a proxy that damages these batches of a topic for good."""

    def damage(name: str, _: int, base: int, batch: bytes) -> bytes:
        return batch[:-1] + bytes([batch[-1] ^ 1]) if name == topic and base in bases else batch

    with FetchProxy(stage.kafka.bootstrap_servers, damage) as proxy:
        yield proxy.address


def test_a_worker_tells_what_it_could_not_unpack_and_inspects_the_rest(kafka_stage: Any) -> None:
    stage = kafka_stage
    stage.send(6, cameras=1)
    [at] = {record.partition.index for record in read_topic(stage.kafka, stage.topics["frames"])}
    with spoiling(stage, stage.topics["frames"], {2, 3}) as address:
        servers = {"kafka.bootstrap_servers": address}
        worker = stage.worker(**{"models.null_detector_ms": 0}, **servers)
        stage.until(lambda: len(stage.outcomes) == 4)
        worker.terminate()
        assert worker.wait(20) == 0
    assert [o.record.offset for o in stage.outcomes] == [0, 1, 4, 5]
    kind = event_type("interruption").encode()
    letters = read_topic(stage.kafka, stage.topics["dead_letters"])
    told = [
        Interruption.decode(r.headers, r.value)
        for r in letters
        if dict(r.headers)["ce_type"] == kind
    ]
    assert [(t.cause.value, t.partition, t.first_offset, t.records) for t in told] == [
        ("unreadable", at, 2, 1),
        ("unreadable", at, 3, 1),
    ]
    assert "checksum" in told[0].error
    assert "broker is away" not in stage.log_of(worker)


def test_dead_letters_and_collected_frames_say_what_is_missing(
    kafka_stage: Any, tmp_path: Path
) -> None:
    stage = kafka_stage
    stage.send(3, cameras=1)
    frames = stage.topics["frames"]
    with spoiling(stage, frames, {1}) as address:
        given = {f"topics.{key}": name for key, name in stage.topics.items()}
        given |= {"kafka.bootstrap_servers": address, "topics.dead_letters": frames}
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        folder = str(tmp_path / "data")
        collected = CliRunner().invoke(app, ["collect", "--out", folder, *flags])
        listed = CliRunner().invoke(app, ["dlq", "list", *flags])
    assert collected.exit_code == 0, collected.output
    assert "1 could not be unpacked" in collected.output
    assert "2 images taken" in collected.output
    assert listed.exit_code == 0, listed.output
    assert "(1 to 1) could not be unpacked" in listed.output
