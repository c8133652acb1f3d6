"""Sending: nothing lost or out of order when the broker goes away, and the book comes first."""

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from schemas.frame import decode_frame
from workers.camera.capture import Camera
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.sent_log import SentLog
from workers.camera.sending.spool import Captured, Spool
from workers.camera.settings import SpoolSettings
from workers.camera.sources import Shot
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import BusUnavailable, MessageTooLarge

FAST = SpoolSettings(retry_initial_s=0.001, retry_max_s=0.002, batch_bytes=5000)


class Flaky:
    """A producer that fails a number of times; the first half of a failing batch gets through."""

    def __init__(self, broker: MemoryBroker, failures: int) -> None:
        self._producer, self._left = broker.producer(), failures
        self.attempts: list[list[Outgoing]] = []

    def publish(self, messages: Iterable[Outgoing]) -> None:
        batch = list(messages)
        self.attempts.append(batch)
        if self._left:
            self._left -= 1
            self._producer.publish(batch[: len(batch) // 2])
            raise BusUnavailable("gone")
        self._producer.publish(batch)

    def close(self) -> None:
        """Nothing to close."""


class Picky(Flaky):
    """A broker that refuses messages of more than 1000 bytes."""

    def publish(self, messages: Iterable[Outgoing]) -> None:
        batch = list(messages)
        if any(len(outgoing.message.value) > 1000 for outgoing in batch):
            raise MessageTooLarge("over the topic's limit")
        super().publish(batch)


class Broken(Flaky):
    """A producer with a bug."""

    def publish(self, messages: Iterable[Outgoing]) -> None:
        raise RuntimeError("bug")


def frames(count: int, size: int = 1000) -> list[Captured]:
    camera = Camera("cam-1", "flange")
    return [camera.capture(Shot(bytes(size), "image/png"), datetime.now(UTC)) for _ in range(count)]


def play(producer: Flaky, items: list[Captured], book: SentLog | None = None) -> SpooledPublisher:
    spool = Spool(2**20, "block")
    publisher = SpooledPublisher(spool, producer, "frames", FAST, sent_log=book)
    for item in items:
        spool.put(item, lambda: False)
    publisher.start()
    publisher.finish(5)
    return publisher


def sequences(broker: MemoryBroker) -> list[int]:
    records = broker.records("frames")
    return [decode_frame(record.headers, record.value).sequence for record in records]


def test_everything_arrives_in_order() -> None:
    broker = MemoryBroker()
    publisher = play(Flaky(broker, 0), frames(20))
    assert sequences(broker) == list(range(20))
    assert (publisher.sent, publisher.sent_bytes) == (20, 20_000)


def test_an_outage_loses_nothing_and_first_arrivals_keep_their_order() -> None:
    broker = MemoryBroker()
    publisher = play(Flaky(broker, 7), frames(20))
    assert list(dict.fromkeys(sequences(broker))) == list(range(20))
    assert (publisher.sent, publisher.away) == (20, False)


def test_a_frame_that_is_sent_again_keeps_its_id() -> None:
    broker = MemoryBroker()
    producer = Flaky(broker, 1)
    play(producer, frames(2))
    first, second = producer.attempts
    assert first == second
    assert len({record.headers for record in broker.records("frames")}) == 2


def test_batches_are_bounded_in_bytes() -> None:
    producer = Flaky(MemoryBroker(), 0)
    play(producer, frames(20))
    assert {len(batch) for batch in producer.attempts} == {2}  # 2 x (1000 + 1024) <= 5000


def test_the_book_is_written_before_the_send_and_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sent.jsonl"

    class Watching(Flaky):
        def publish(self, messages: Iterable[Outgoing]) -> None:
            batch = list(messages)
            written = {json.loads(line)["frame_id"] for line in path.read_text().splitlines()}
            assert {dict(o.message.headers)["ce_id"].decode() for o in batch} <= written
            super().publish(batch)

    items = frames(6)
    with SentLog(path) as book:
        assert play(Watching(MemoryBroker(), 3), items, book).failure is None
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["frame_id"] for line in lines] == [item.frame.frame_id for item in items]


def test_a_frame_over_the_topics_limit_is_left_out_and_the_others_arrive() -> None:
    broker = MemoryBroker()
    items = [*frames(1, 500), *frames(1, 1001), *frames(1, 600)]
    publisher = play(Picky(broker, 0), items)
    assert [len(record.value or b"") for record in broker.records("frames")] == [500, 600]
    assert (publisher.sent, publisher.refused) == (2, 1)


def test_a_failure_is_handed_over_not_swallowed() -> None:
    publisher = play(Broken(MemoryBroker(), 0), frames(1))
    assert isinstance(publisher.failure, RuntimeError)


def test_sending_ends_at_the_deadline() -> None:
    spool = Spool(2**20, "block")
    publisher = SpooledPublisher(spool, Flaky(MemoryBroker(), 10**9), "frames", FAST)
    spool.put(frames(1)[0], lambda: False)
    publisher.start()
    publisher.finish(0.05)
    for thread in threading.enumerate():
        if thread.name == "camera-sender":
            thread.join(5)
    assert not publisher.running
    assert (publisher.sent, spool.held, publisher.away) == (0, 1, True)


def test_pauses_grow_and_are_bounded() -> None:
    waits: list[float] = []

    class Recording(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    spool = Spool(2**20, "block")
    settings = SpoolSettings(retry_initial_s=0.2, retry_max_s=5)
    producer = Flaky(MemoryBroker(), 8)
    publisher = SpooledPublisher(spool, producer, "frames", settings, jitter=lambda: 1.0)
    publisher._abandoned = Recording()
    spool.put(frames(1)[0], lambda: False)
    publisher.start()
    publisher.finish(5)
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
