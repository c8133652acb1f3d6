import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from schemas.documents import samples
from schemas.outcome import FrameRef, Outcome, RecordRef, Verdict, outcome_id
from workers.demo.books.observer import Observer
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.settings.process import TopicSettings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOPICS = TopicSettings()


def outcome(frame_id: str) -> Outcome:
    return Outcome(
        outcome_id=outcome_id("/cameras/cam-1", frame_id),
        frame=FrameRef(
            frame_id=frame_id, camera_id="cam-1", category="nut", sequence=0, captured_at=NOON
        ),
        record=RecordRef(topic="frames", partition=0, offset=0),
        verdict=Verdict.PASS,
        worker_id="w",
        decided_at=NOON,
    )


def record(offset: int, frame_id: str) -> Record:
    message = outcome(frame_id).encode()
    place = Partition(TOPICS.outcomes, 0)
    return Record(place, offset, message.key, message.value, message.headers, 0)


def reader(folder: Path, broker: MemoryBroker | None = None) -> Observer:
    broker = broker or MemoryBroker()
    connect = lambda: broker.consumer("demo", [TOPICS.outcomes])  # noqa: E731
    return Observer(connect, TOPICS, folder / "outcomes.jsonl")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_was_written_twice_is_seen_twice(tmp_path: Path) -> None:
    observer = reader(tmp_path)

    observer.take(record(0, "a"), 1.0)
    observer.take(record(1, "a"), 2.0)

    assert [seen.seen_at for seen in observer.outcomes] == [1.0, 2.0]


def test_a_record_delivered_to_the_reader_again_is_not_news(tmp_path: Path) -> None:
    observer = reader(tmp_path)

    for offset in (0, 1, 0, 1, 2):
        observer.take(record(offset, "a"), 1.0)

    assert len(observer.outcomes) == 3


def test_an_unreadable_message_is_told_and_reading_goes_on(tmp_path: Path) -> None:
    observer = reader(tmp_path)

    observer.take(replace(record(0, "a"), value=b"{}"), 1.0)
    observer.take(record(1, "b"), 1.0)

    assert len(observer.outcomes) == 1
    assert "outcomes: outcome: outcome_id" in observer.problems()[0]


def test_it_keeps_its_book_and_reads_what_is_left_before_it_ends(tmp_path: Path) -> None:
    broker = MemoryBroker()
    broker.create_topic(TOPICS.outcomes, 1)
    observer = reader(tmp_path, broker)
    observer.start()
    broker.producer().publish([Outgoing(TOPICS.outcomes, outcome("a").encode())])
    wait_for(lambda: len(observer.outcomes) == 1)
    late = [Outgoing(TOPICS.outcomes, outcome(f"b{n}").encode()) for n in range(200)]
    broker.producer().publish(late)  # more than one poll brings

    observer.finish()

    assert len((tmp_path / "outcomes.jsonl").read_text().splitlines()) == 201


def test_a_reader_that_cannot_connect_says_so(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ConnectionError("nobody there")

    observer = Observer(refuse, TOPICS, tmp_path / "book")  # type: ignore[arg-type]
    observer.start()
    observer.finish()

    assert "nobody there" in observer.problems()[0]


def test_an_interruption_is_a_message_like_others(tmp_path: Path) -> None:
    message = samples.INTERRUPTION.encode()
    place = Partition(TOPICS.dead_letters, 0)
    observer = reader(tmp_path)
    observer.take(Record(place, 0, message.key, message.value, message.headers, 0), 1.0)
    assert observer.passed.count == 0
    assert observer.problems() == [f"not inspected: {samples.INTERRUPTION.error}"]
