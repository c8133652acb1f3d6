"""Whatever bytes stand on a topic: good records beside them come through, and nothing dies."""

import io
import json
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
import typer
from PIL import Image
from rich.console import Console

from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.frame import Frame, encode_frame
from schemas.outcome import RecordRef, outcome_id
from schemas.resolution import Action
from tests.mutations import NASTY, mutated
from workers.collector.run import run_collect
from workers.collector.selection import Selection
from workers.collector.settings import CollectorProcessSettings
from workers.demo.books.observer import Observer
from workers.dlq.letters import Filter
from workers.dlq.run import Desk
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.listing import Form
from workers.runtime.settings.process import TopicSettings

MUTATED = 4_000
GOOD = 40
TOPICS = TopicSettings()
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


def among(good: list[WireMessage], kinds: list[WireMessage], seed: int) -> list[WireMessage]:
    """Good messages, in their order, with mutated ones between them."""
    messages = list(mutated(kinds, MUTATED, seed))
    draw = random.Random(seed)  # noqa: S311
    places = sorted(draw.sample(range(len(messages)), len(good)), reverse=True)
    for place, message in zip(places, reversed(good), strict=True):
        messages.insert(place, message)
    return messages


def records(topic: str, messages: Iterable[WireMessage]) -> list[Record]:
    """Messages as they stand in a topic of one partition."""
    place = Partition(topic, 0)
    return [
        Record(place, offset, m.key, m.value, m.headers, 0) for offset, m in enumerate(messages)
    ]


def letters() -> list[WireMessage]:
    """Good dead letters, each with an id of its own."""
    return [
        samples.DEAD_LETTER.model_copy(update={"outcome_id": f"{n:031x}f"}).encode()
        for n in range(GOOD)
    ]


def kinds() -> list[WireMessage]:
    """One of each message."""
    known = (samples.OUTCOME, samples.DEFECT, samples.DEAD_LETTER, samples.ALARM)
    other = (samples.RESOLUTION, samples.INTERRUPTION, samples.REJECTED)
    return [*(each.encode() for each in (*known, *other)), encode_frame(samples.FRAME)]


@cache
def feeds() -> tuple[tuple[str, list[Record]], ...]:
    """What stands in the three topics of a desk."""
    letter, resolution = samples.DEAD_LETTER.encode(), samples.RESOLUTION
    settled = [
        resolution.model_copy(update={"outcome_id": f"{n:031x}f"}).encode() for n in range(10)
    ]
    found = {
        TOPICS.dead_letters: among(letters(), [letter, letter, *kinds()], 1),
        TOPICS.resolutions: among(settled, [resolution.encode(), *kinds()], 2),
        TOPICS.reviews: among([samples.REVIEW.encode()], [samples.REVIEW.encode(), *kinds()], 3),
    }
    return tuple((topic, records(topic, messages)) for topic, messages in found.items())


class Line:
    """A desk whose topics hold good and mutated records, and what it sends and prints."""

    def __init__(self) -> None:
        self.topics = dict(feeds())
        self.sent: list[Outgoing] = []
        self.closed = 0
        self.console = Console(record=True, width=200, file=io.StringIO())
        self.desk = Desk(TOPICS, self.topics.__getitem__, self.connect, self.console)

    def connect(self) -> AtLeastOnce:
        return AtLeastOnce(self, lambda positions: None)

    def publish(self, messages: Iterable[Outgoing]) -> None:
        self.sent += messages

    def close(self) -> None:
        self.closed += 1

    def resolved(self) -> set[str]:
        return {
            json.loads(each.message.value)["outcome_id"]
            for each in self.sent
            if each.topic == TOPICS.resolutions
        }

    @property
    def printed(self) -> str:
        return self.console.export_text()


OPEN = {f"{n:031x}f" for n in range(10, GOOD)}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.slow
def test_a_desk_resolves_every_good_letter_and_sends_nothing_elsewhere(action: Action) -> None:
    line = Line()
    line.desk.resolve(action, Filter(), "after repair", dry_run=False)
    assert line.resolved() >= OPEN
    assert {each.topic for each in line.sent} <= {TOPICS.frames, TOPICS.resolutions}
    assert line.closed == 1
    said = line.printed
    assert f"records of {TOPICS.dead_letters} cannot be read" in said
    assert f"records of {TOPICS.resolutions} cannot be read" in said
    assert f"{TOPICS.dead_letters} 0 at " in said
    assert clean(said)


@pytest.mark.slow
def test_a_desk_lists_every_good_letter(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    line.desk.overview(Filter(), settled=False, form=Form.TABLE)
    said = line.printed
    assert clean(said)
    assert f"records of {TOPICS.dead_letters} cannot be read" in said
    line.desk.overview(Filter(), settled=False, form=Form.JSON)
    out, err = capsys.readouterr()
    assert {json.loads(each)["outcome_id"] for each in out.splitlines()} >= OPEN
    assert clean(out)
    assert f"records of {TOPICS.dead_letters} cannot be read" in err


@pytest.mark.slow
def test_a_desk_shows_a_good_letter_and_names_none_for_others() -> None:
    line = Line()
    line.desk.show(f"{GOOD - 1:031x}f", None)
    assert "headers of the original record" in line.printed
    with pytest.raises(typer.Exit):
        line.desk.show("nobody", None)


@pytest.mark.slow
def test_a_letter_of_another_topic_is_not_sent_again() -> None:
    """Who may write dead letters must not write alarms by our hand."""
    sample = samples.DEAD_LETTER
    forged = [
        sample.model_copy(
            update={
                "outcome_id": f"{n:032x}",
                "record": sample.record.model_copy(update={"topic": topic}),
            }
        ).encode()
        for n, topic in enumerate(["alarms", "resolutions", "defects", *NASTY])
    ]
    line = Line()
    line.topics[TOPICS.dead_letters] = records(TOPICS.dead_letters, [*forged, *letters()])
    line.desk.resolve(Action.REPLAYED, Filter(), "after repair", dry_run=False)
    assert line.resolved() == OPEN
    assert {each.topic for each in line.sent} == {TOPICS.frames, TOPICS.resolutions}
    said = line.printed
    assert "1 name the topic alarms: refused and left open" in said
    assert clean(said)


@pytest.mark.integration
def test_the_collector_takes_every_good_frame(tmp_path: Path) -> None:
    broker = MemoryBroker()
    broker.create_topic(TOPICS.frames, 1)
    broker.create_topic(TOPICS.outcomes, 1)
    good = [frame(number) for number in range(GOOD)]
    wire = [encode_frame(each) for each in good]
    frames = among(wire, [wire[0], wire[1], *kinds()], 6)
    put(broker, TOPICS.frames, frames)
    places = [next(n for n, each in enumerate(frames) if each is one) for one in wire]
    outcomes = [passed(each, offset) for each, offset in zip(good, places, strict=True)]
    put(broker, TOPICS.outcomes, among(outcomes, kinds(), 5))
    flags = {"collect.out": str(tmp_path), "collect.wait_s": 0.05, "collect.verdict": "good"}
    settings = CollectorProcessSettings.load(None, flags)
    console = Console(record=True, width=200, file=io.StringIO())
    stop = threading.Event()
    read: Callable[[str], MemoryReader] = lambda topic: MemoryReader(broker, topic, 500)  # noqa: E731
    run_collect(settings, Selection(), read, stop, console)
    taken = {path.read_bytes() for path in (tmp_path / "bolts/train/good").iterdir()}
    assert taken >= {each.data for each in good}
    said = console.export_text()
    assert f"records of {TOPICS.frames} cannot be read" in said
    assert f"records of {TOPICS.outcomes} cannot be read" in said
    assert clean(said)


@pytest.mark.slow
def test_the_observer_notes_every_good_record(tmp_path: Path) -> None:
    observer = Observer(lambda: None, TOPICS, tmp_path / "book")  # type: ignore[arg-type, return-value]
    good = [passed(frame(number)) for number in range(GOOD)]
    feeds = {
        TOPICS.outcomes: among(good, kinds(), 7),
        TOPICS.defects: list(mutated(kinds(), 2000, 8)),
        TOPICS.dead_letters: among(letters(), kinds(), 9),
        TOPICS.alarms: list(mutated(kinds(), 2000, 10)),
    }
    for topic, messages in feeds.items():
        for record in records(topic, messages):
            observer.take(record, 1.0)
    seen = {each.outcome_id for each in observer.outcomes}
    assert seen >= {json.loads(each.value)["outcome_id"] for each in good}
    assert {each.outcome_id for each in observer.dead_letters} >= OPEN
    for each in observer.outcomes:
        each.to_line().encode()
    assert len(observer.problems()) < 20
    assert clean("\n".join(observer.problems()))


def frame(number: int) -> Frame:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number, 0, 0)).save(buffer, "PNG")
    return replace(
        samples.FRAME,
        frame_id=f"good-{number}",
        category="bolts",
        captured_at=NOW + timedelta(seconds=number),
        data=buffer.getvalue(),
    )


def passed(inspected: Frame, offset: int = 0) -> WireMessage:
    assert samples.OUTCOME.frame is not None
    about = {"frame_id": inspected.frame_id, "category": "bolts"}
    changes = {
        "outcome_id": outcome_id(inspected.source, inspected.frame_id),
        "frame": samples.OUTCOME.frame.model_copy(update=about),
        "verdict": "pass",
        "record": RecordRef(topic=TOPICS.frames, partition=0, offset=offset),
    }
    return samples.OUTCOME.model_copy(update=changes).encode()


def put(broker: MemoryBroker, topic: str, messages: Iterable[WireMessage]) -> None:
    for message in messages:
        broker.append(Outgoing(topic, message))


def clean(said: str) -> bool:
    """Nothing that a terminal would obey."""
    return all(line.isprintable() for line in said.split("\n"))
