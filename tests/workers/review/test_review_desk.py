"""Reviews are said and listed on an in-memory broker."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from schemas.documents import samples
from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review, Sample
from workers.cli import app
from workers.review.asking import Ask
from workers.review.run import Desk
from workers.review.words import Filter, Word
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.listing import Form
from workers.runtime.part_filter import part_filter
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()
AT = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


class Counter:
    """A desk, its broker and what it printed."""

    def __init__(self) -> None:
        self.broker, self.console = MemoryBroker(), Console(record=True, width=300)
        self.asked: list[datetime | None] = []
        self.put(samples.OUTCOME)

    def put(self, outcome: Outcome) -> None:
        self.broker.append(Outgoing(TOPICS.outcomes, outcome.encode()))

    def desk(self) -> Desk:
        def read(topic: str, since: datetime | None) -> Iterator[Record]:
            self.asked.append(since)
            return iter(self.broker.records(topic))

        def publish(messages: object) -> None:
            for message in messages:  # type: ignore[attr-defined]
                self.broker.append(message)

        return Desk(TOPICS, read, publish, self.console)

    def add(self, name: str, word: Word) -> None:
        self.desk().add(name, word, AT)

    def reviews(self) -> list[Review]:
        return [Review.decode(r.headers, r.value) for r in self.broker.records(TOPICS.reviews)]


def word(judgement: Judgement = Judgement.FALSE_ALARM, **changes: object) -> Word:
    fields = {"note": "oil", "kind": "drop", "sample": Sample.AUDIT, "by": "ada@line"} | changes
    return Word(judgement, **fields)  # type: ignore[arg-type]


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.mark.parametrize(
    "name",
    [samples.FRAME.frame_id, samples.OUTCOME.outcome_id[:12], "frames/2/90125"],
)
def test_a_word_says_what_was_shown(counter: Counter, name: str) -> None:
    counter.add(name, word())
    (review,) = counter.reviews()
    assert review.shown.image_score == samples.OUTCOME.image_score
    assert review.shown.model_version == samples.OUTCOME.model_version
    assert (review.by, review.note, review.kind, review.sample) == (
        *("ada@line", "oil", "drop"),
        Sample.AUDIT,
    )
    assert counter.asked == [AT]  # outcomes of before need not be read


def test_a_redelivered_outcome_is_one(counter: Counter) -> None:
    counter.put(samples.OUTCOME)
    counter.add(samples.FRAME.frame_id, word())
    assert len(counter.reviews()) == 1


def test_frames_of_one_id_have_to_be_told_apart(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = samples.OUTCOME.frame
    assert frame is not None
    other = frame.model_copy(update={"captured_at": AT})
    at = samples.OUTCOME.record.model_copy(update={"offset": 7})
    counter.put(samples.OUTCOME.model_copy(update={"frame": other, "record": at}))
    with pytest.raises(typer.Exit) as end:
        counter.add(samples.FRAME.frame_id, word())
    assert end.value.exit_code == 65
    assert "frames/2/7" in capsys.readouterr().err
    counter.add("frames/2/7", word())
    assert [review.record.offset for review in counter.reviews()] == [7]


@pytest.mark.parametrize(
    ("name", "said", "complaint"),
    [
        ("nobody", word(), "no outcome on outcomes is named nobody"),
        (samples.OUTCOME.outcome_id[:7], word(), "no outcome"),
        (samples.FRAME.frame_id, word(Judgement.MISSED), "was not missed"),
        (samples.FRAME.frame_id, word(note="x" * 1001), "--note has 1001 characters"),
        (samples.FRAME.frame_id, word(kind=""), "--kind has 0 characters"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_reason(
    counter: Counter,
    name: str,
    said: Word,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as end:
        counter.add(name, said)
    assert end.value.exit_code == 65
    assert complaint in capsys.readouterr().err
    assert not counter.reviews()


def test_a_frame_of_nobody_is_no_part(counter: Counter, capsys: pytest.CaptureFixture[str]) -> None:
    counter.put(samples.REJECTED.model_copy(update={"frame": None, "outcome_id": "f" * 32}))
    with pytest.raises(typer.Exit):
        counter.add("f" * 32, word(Judgement.MISSED))
    assert "no camera and no category" in capsys.readouterr().err


def test_the_list_has_last_words_and_all_of_them_when_asked(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    first = samples.REVIEW
    second = Review.of(
        samples.OUTCOME,
        Judgement.RIGHT,
        by="bob",
        at=first.reviewed_at + timedelta(hours=1),
    )
    for each in (second, first, second):  # in no order, one delivered again
        counter.broker.append(Outgoing(TOPICS.reviews, each.encode()))
    counter.desk().overview(Filter(), False, Form.JSON)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == second.model_dump(mode="json")
    counter.desk().overview(Filter(), True, Form.CSV)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("said,judgement,category,camera,frame")
    assert [row.split(",")[1] for row in rows] == ["false-alarm", "right"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(judgements=frozenset([Judgement.FALSE_ALARM])), 1),
        (Filter(judgements=frozenset([Judgement.MISSED])), 0),
        (Filter(categories=frozenset(["fryum"]), cameras=frozenset(["line-1-cam-2"])), 1),
        (Filter(cameras=frozenset(["line-2"])), 0),
        (Filter(sample=Sample.INFORMATIVE), 0),
        (Filter(since=samples.REVIEW.reviewed_at), 1),
        (Filter(until=samples.REVIEW.reviewed_at), 0),
        (Filter(parts=part_filter(["lot=L-1*", "cavity=3"])), 1),
        (Filter(parts=part_filter(["lot=L-18"])), 0),
    ],
)
def test_filters_are_joined(counter: Counter, wanted: Filter, found: int) -> None:
    assert wanted.takes(samples.REVIEW) is bool(found)


def test_what_is_no_review_is_passed_over(counter: Counter) -> None:
    counter.broker.append(Outgoing(TOPICS.reviews, samples.ALARM.encode()))
    counter.broker.append(Outgoing(TOPICS.reviews, samples.REVIEW.encode()))
    counter.desk().overview(Filter(), False, Form.TABLE)
    printed = counter.console.export_text()
    assert "false-alarm" in printed
    assert "1 records of reviews cannot be read" in printed


def test_a_broker_that_is_away_ends_with_69() -> None:
    away = ["--bootstrap-servers", "127.0.0.1:1", "--set", "kafka.connect_timeout_s=0.2"]
    result = CliRunner().invoke(app, ["review", "list", *away])
    assert result.exit_code == 69, result.output


def pass_of(number: int, score: float, **changes: object) -> Outcome:
    frame = samples.OUTCOME.frame
    assert frame is not None
    fields = {
        "outcome_id": f"{number:032x}",
        "frame": frame.model_copy(update={"frame_id": f"f{number}", "sequence": number}),
        "verdict": Verdict.PASS,
        "image_score": score,
        "decided_at": AT + timedelta(minutes=number),
    }
    return samples.OUTCOME.model_copy(update=fields | changes)


@pytest.fixture
def ask(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, object]]]:
    """What somebody is asked who asks."""

    def asked(audits: int, near: int, every: bool = False) -> list[dict[str, object]]:
        wanted = Ask("fryum", AT, AT + timedelta(days=1), audits, near)
        counter.desk().ask(wanted, every, Form.JSON)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return asked


def test_people_are_asked_about_a_random_sample_and_the_nearest_near_misses(
    counter: Counter, ask: Callable[..., list[dict[str, object]]]
) -> None:
    for number in range(60):
        counter.put(pass_of(number, number / 20))
    counter.put(pass_of(60, 3.1, decided_at=AT - timedelta(hours=1)))  # of the day before
    counter.put(pass_of(61, 3.15, replayed_from="frames/1/2"))
    first = ask(8, 3)
    assert first == ask(8, 3)  # whoever asks, however often
    audit = {each["frame"] for each in first if each["sample"] == "audit"}
    informative = [each["score"] for each in first if each["sample"] == "informative"]
    assert len(audit) == 8
    left = [n / 20 for n in range(60) if f"f{n}" not in audit]
    assert informative == sorted(left, reverse=True)[:3]


def test_what_was_judged_is_not_asked_again(
    counter: Counter, ask: Callable[..., list[dict[str, object]]]
) -> None:
    every = [pass_of(number, 1.0) for number in range(4)]
    for outcome in every:
        counter.put(outcome)
    said = Review.of(every[0], Judgement.RIGHT, by="ada", at=AT, sample=Sample.AUDIT)
    counter.broker.append(Outgoing(TOPICS.reviews, said.encode()))
    assert {each["frame"] for each in ask(9, 0)} == {"f1", "f2", "f3"}
    assert {each["judged"] for each in ask(9, 0, every=True)} == {"right", None}


def test_rates_are_told_by_category_from_the_random_sample_and_last_words(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(outcome: Outcome, judgement: Judgement, sample: Sample | None, hours: int = 0) -> None:
        at = AT + timedelta(hours=hours)
        said = Review.of(outcome, judgement, by="ada", at=at, sample=sample)
        counter.broker.append(Outgoing(TOPICS.reviews, said.encode()))

    for number in range(200):
        alarms = {"verdict": Verdict.DEFECT} if number < 3 else {}
        outcome = pass_of(number, 1.0, **alarms)
        say(outcome, Judgement.FALSE_ALARM if alarms else Judgement.RIGHT, Sample.AUDIT)
    for number in range(200, 260):  # chosen by their score: they say nothing of all parts
        say(pass_of(number, 9.0, verdict=Verdict.DEFECT), Judgement.FALSE_ALARM, None)
    say(pass_of(199, 1.0), Judgement.MISSED, Sample.AUDIT, hours=1)  # said otherwise later
    counter.desk().rates(Filter(), 0.05, 0.95, Form.JSON)
    (told,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["category"], told["reviews"], told["audited"]) == ("fryum", 260, 200)
    assert told["false_alarms"] == 3 / 199
    assert told["false_alarms_low"] < 3 / 199 < told["false_alarms_high"] < 0.05
    assert told["defective_of_passed"] == 1 / 197
    assert told["passed_of_defective"] == 1.0
    assert told["certificate"] == "kept"
