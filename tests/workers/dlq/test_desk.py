"""The dead-letter commands on an in-memory broker."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from rich.console import Console

from schemas.dead_letter import DeadLetter
from schemas.documents import samples
from schemas.frame import decode_frame
from schemas.message import Message
from schemas.resolution import Action, Resolution
from schemas.review import Judgement, Review
from workers.dlq.letters import Filter
from workers.dlq.run import Desk
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import AccessDenied
from workers.runtime.listing import Form
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()


def letter(number: int, camera: str = "line-1", bare: bool = False) -> DeadLetter:
    frame = samples.DEAD_LETTER.frame
    assert frame is not None
    changes = {
        "outcome_id": f"{number:032x}",
        "frame": frame.model_copy(update={"camera_id": camera, "frame_id": f"frame-{number}"}),
    }
    if bare:
        original = samples.DEAD_LETTER.original
        changes["original"] = original.model_copy(update={"value": None})
    return samples.DEAD_LETTER.model_copy(update=changes)


class Counter:
    """A desk, its broker and what it printed."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.console = Console(record=True, width=200)
        self.crash_after: int | None = None

    def desk(self) -> Desk:
        return Desk(
            TOPICS,
            self.broker.records,
            lambda: AtLeastOnce(self, lambda positions: None),
            self.console,
        )

    def publish(self, messages: object) -> None:
        """The producer: dies after `crash_after` messages."""
        everything = list(messages)  # type: ignore[call-overload]
        for message in everything:
            self.broker.check_partition(message)
        for count, message in enumerate(everything):
            if self.crash_after is not None and count >= self.crash_after:
                raise KeyboardInterrupt
            self.broker.append(message)

    def close(self) -> None:
        pass

    def put(self, *messages: Message, topic: str = TOPICS.dead_letters) -> None:
        for message in messages:
            self.broker.append(Outgoing(topic, message.encode()))

    def replayed(self) -> list[str]:
        records = self.broker.records("frames")
        return [decode_frame(r.headers, r.value).run for r in records]

    def resolutions(self) -> list[Resolution]:
        records = self.broker.records(TOPICS.resolutions)
        return [Resolution.decode(r.headers, r.value) for r in records]

    @property
    def printed(self) -> str:
        return self.console.export_text(clear=False)


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_a_replay_is_sent_once_however_often_it_is_asked_for(counter: Counter) -> None:
    counter.put(letter(1), letter(2), letter(1))  # the first was redelivered
    for _ in range(2):
        counter.desk().resolve(Action.REPLAYED, Filter(), "camera repaired", dry_run=False)
    assert len(counter.replayed()) == len(set(counter.replayed())) == 2
    assert {(r.action, r.why) for r in counter.resolutions()} == {("replayed", "camera repaired")}
    assert "2 were settled before" in counter.printed


def test_a_replay_that_died_repeats_its_frame_under_the_same_run(counter: Counter) -> None:
    counter.put(letter(1))
    counter.crash_after = 1  # the frame is out, its resolution is not
    with pytest.raises(KeyboardInterrupt):
        counter.desk().resolve(Action.REPLAYED, Filter(), "try", dry_run=False)
    counter.crash_after = None
    counter.desk().resolve(Action.REPLAYED, Filter(), "try again", dry_run=False)
    assert len(counter.replayed()) == 2
    assert len(set(counter.replayed())) == 1  # so their outcomes have one id


def test_discarding_records_who_and_why_and_sends_nothing(counter: Counter) -> None:
    counter.put(letter(1), letter(2, camera="line-2"))
    wanted = Filter(cameras=frozenset({"line-2"}))
    counter.desk().resolve(Action.DISCARDED, wanted, "test camera", dry_run=False)
    [resolution] = counter.resolutions()
    assert (resolution.outcome_id, resolution.action) == (letter(2).outcome_id, "discarded")
    assert resolution.why == "test camera"
    assert "@" in resolution.by
    assert not counter.replayed()


def test_a_dry_run_sends_nothing(counter: Counter) -> None:
    counter.put(letter(1))
    counter.desk().resolve(Action.REPLAYED, Filter(), "why", dry_run=True)
    assert not counter.replayed()
    assert not counter.resolutions()
    assert "1 dead letters would be replayed" in counter.printed


def test_a_letter_without_bytes_stays_open(counter: Counter) -> None:
    counter.put(letter(1, bare=True), letter(2))
    counter.desk().resolve(Action.REPLAYED, Filter(), "why", dry_run=False)
    assert [r.outcome_id for r in counter.resolutions()] == [letter(2).outcome_id]
    assert "1 have no bytes" in counter.printed


def test_the_list_shows_open_letters_and_interruptions(counter: Counter) -> None:
    counter.put(letter(1), letter(2), samples.INTERRUPTION)
    counter.desk().resolve(Action.DISCARDED, Filter(ids=("frame-1",)), "no part", dry_run=False)
    counter.console = Console(record=True, width=200)
    counter.desk().overview(Filter(), settled=False, form=Form.TABLE)
    assert letter(2).outcome_id[:12] in counter.printed
    assert "open" in counter.printed
    assert "discarded" not in counter.printed
    assert "1200 records" in counter.printed
    counter.desk().overview(Filter(), settled=True, form=Form.TABLE)
    assert "discarded" in counter.printed


def test_the_json_list_is_a_line_a_letter(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    counter.put(letter(1), letter(2))
    counter.desk().overview(Filter(), settled=False, form=Form.JSON)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["outcome_id"] for row in rows] == [letter(1).outcome_id, letter(2).outcome_id]
    assert rows[0]["bytes"] == 20
    assert "value" not in rows[0]["original"]


def test_one_letter_is_shown_with_its_bytes(counter: Counter, tmp_path: Path) -> None:
    counter.put(letter(1), letter(2))
    counter.desk().show("frame-2", tmp_path)
    for words in ("undecodable", "partition 2, offset 90125", "attempts", "ce_category", "fryum"):
        assert words in counter.printed
    [file] = tmp_path.iterdir()
    assert file.suffix == ".png"
    assert file.read_bytes() == samples.PNG[:20]


@pytest.mark.parametrize(("name", "words"), [("nobody", "no dead letter"), ("0", "several")])
def test_a_name_that_fits_none_or_many_says_so(counter: Counter, name: str, words: str) -> None:
    counter.put(letter(1), letter(2))
    with pytest.raises(typer.Exit) as ended:
        counter.desk().show(name, None)
    assert ended.value.exit_code == 65
    assert words in counter.printed


def test_records_that_are_no_letters_are_counted(counter: Counter) -> None:
    counter.put(letter(1))
    counter.put(samples.OUTCOME)
    counter.desk().overview(Filter(), settled=False, form=Form.TABLE)
    assert "1 records of dead-letters cannot be read" in counter.printed


def repeated(offset: int, partition: int = 2) -> DeadLetter:
    """One of many frames of a camera that gives each the same id."""
    one = letter(1)
    assert one.frame is not None
    record = one.record.model_copy(update={"offset": offset, "partition": partition})
    frame = one.frame.model_copy(update={"content": f"{offset:016x}"})
    return one.model_copy(update={"record": record, "frame": frame})


def test_letters_of_frames_that_bear_one_id_are_settled_one_by_one(counter: Counter) -> None:
    counter.put(repeated(1), repeated(2), repeated(2), repeated(3))
    only = Filter(ids=("frames/2/2",))
    counter.desk().resolve(Action.DISCARDED, only, "seen", dry_run=False)
    counter.desk().resolve(Action.REPLAYED, Filter(), "repaired", dry_run=False)
    assert len(set(counter.replayed())) == 2
    assert [(r.action.value, r.original.offset) for r in counter.resolutions()] == [
        ("discarded", 2),
        ("replayed", 1),
        ("replayed", 3),
    ]
    counter.desk().overview(Filter(), settled=True, form=Form.TABLE)
    assert all(f"frames/2/{offset}" in counter.printed for offset in (1, 2, 3))
    with pytest.raises(typer.Exit):
        counter.desk().show("frame-1", None)
    assert "at frames/2/3" in counter.printed
    counter.desk().show("frames/2/3", None)


def test_a_partition_that_is_not_there_stops_no_other_letter(counter: Counter) -> None:
    counter.put(repeated(1), repeated(2, partition=999), repeated(3))
    counter.desk().resolve(Action.REPLAYED, Filter(), "repaired", dry_run=False)
    assert len(counter.replayed()) == 2
    assert "2 dead letters replayed" in counter.printed
    assert "1 name a partition that frames does not have" in counter.printed


def test_what_people_said_of_a_part_stands_beside_its_letter(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    judged, other = letter(1), letter(2)
    counter.put(judged, other)
    outcome = samples.REJECTED.model_copy(
        update={"outcome_id": judged.outcome_id, "frame": judged.frame, "record": judged.record}
    )
    at = samples.DECIDED
    early = Review.of(outcome, Judgement.RIGHT, by="ada", at=at)
    late = Review.of(outcome, Judgement.MISSED, by="bob", at=at + timedelta(hours=1), note="dent")
    counter.put(late, early, topic=TOPICS.reviews)
    counter.desk().overview(Filter(), False, Form.JSON)
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["review"] and each["review"]["judgement"] for each in lines] == ["missed", None]
    counter.desk().show(judged.outcome_id, None)
    assert "missed, 2026-03-14T10:26:53Z by bob: dent" in counter.printed


def test_a_user_who_may_not_read_reviews_goes_without(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    counter.put(letter(1))

    def read(topic: str) -> object:
        if topic == TOPICS.reviews:
            raise AccessDenied("Read on topic reviews is not allowed")
        return counter.broker.records(topic)

    desk = Desk(TOPICS, read, lambda: None, counter.console)  # type: ignore[arg-type, return-value]
    desk.overview(Filter(), False, Form.JSON)
    said = capsys.readouterr()
    assert json.loads(said.out)["review"] is None
    assert "without reviews: Read on topic reviews" in said.err
