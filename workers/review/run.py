"""Connects the commands of reviews to a broker."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from schemas.outcome import Outcome
from schemas.review import Review, Sample, last_words
from stream_inspector.threshold.production.audit import standing
from stream_inspector.threshold.share import Share
from workers.review.asking import Ask, Question, questions
from workers.review.words import Filter, Word, named, read_reviews, review_of, too_long, where
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.errors import WorkerError
from workers.runtime.host.terminal import Terminal, complain, text
from workers.runtime.judged import rates_by_category
from workers.runtime.listing import Column, Form, Kind, Listing, Shown
from workers.runtime.settings.operator import OperatorSettings
from workers.runtime.settings.process import TopicSettings, parse_assignments
from workers.runtime.telemetry.logs import setup_logging

_UNFIT = 65  # EX_DATAERR
_UNAVAILABLE = 69  # EX_UNAVAILABLE
_ID_SHOWN = 12  # characters: enough to name an outcome
_NAMED = 10  # outcomes that are told one by one

ReadTopic = Callable[[str, datetime | None], Iterable[Record]]  # from a time on; None: all
Publish = Callable[[Sequence[Outgoing]], None]

_COLUMNS = (
    Column("said"),
    Column("judgement"),
    Column("category"),
    Column("camera"),
    Column("frame", kind=Kind.CUT),
    Column("verdict"),
    Column("score", right=True, pattern=".2f"),
    Column("threshold", right=True, pattern=".2f", kind=Kind.EXTRA),
    Column("kind", kind=Kind.SPARE),
    Column("sample", kind=Kind.EXTRA),
    Column("by", kind=Kind.SPARE),
    Column("note", kind=Kind.SPARE),
    Column("outcome", kind=Kind.EXTRA),
    Column("record", kind=Kind.EXTRA),
)

_QUESTIONS = (
    Column("sample"),
    Column("decided"),
    Column("camera"),
    Column("frame", kind=Kind.CUT),
    Column("verdict"),
    Column("score", right=True, pattern=".2f"),
    Column("threshold", right=True, pattern=".2f", kind=Kind.EXTRA),
    Column("judged", kind=Kind.SPARE),
    Column("outcome", kind=Kind.EXTRA),
    Column("record", kind=Kind.EXTRA),
)

_RATES = (
    Column("category"),
    Column("reviews", right=True),
    Column("audited", right=True),
    *(
        Column(f"{share}{end}", right=True, pattern=".2%", kind=kind)
        for share in ("false alarms", "defective of passed", "passed of defective")
        for end, kind in (("", Kind.WHOLE), (" low", Kind.EXTRA), (" high", Kind.EXTRA))
    ),
    Column("certificate"),
)


class Desk:
    """Where reviews are said and listed."""

    def __init__(self, topics: TopicSettings, read: ReadTopic, publish: Publish, console: Console):
        self._topics, self._read, self._publish = topics, read, publish
        self._console = console
        self._passed = PassedOver()

    def add(self, name: str, word: Word, since: datetime | None) -> None:
        """Say a word of the outcome that is meant. Exits with 65 when it cannot be said."""
        outcome = self._meant(name, word, since)
        try:
            review = review_of(outcome, word, datetime.now(UTC))
        except ValidationError as error:
            self._refuse([f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"])
        except ValueError as error:
            self._refuse([f"{name}: {error}"])
        self._publish([Outgoing(self._topics.reviews, review.encode())])
        shown = outcome.verdict or outcome.rejected
        self._say([f"{word.judgement.value}: {name}, {shown} at {where(outcome)}"])

    def overview(self, wanted: Filter, every: bool, form: Form) -> None:
        """Print the reviews that are meant, the oldest first; last words only unless `every`."""
        reviews = read_reviews(self._read(self._topics.reviews, None), self._passed)
        known = {each.review_id: each for each in reviews}.values()
        said = known if every else last_words(known).values()
        listing = Listing(self._console, *_COLUMNS, form=form, empty="no reviews")
        for review in sorted(said, key=lambda each: each.reviewed_at):
            if wanted.takes(review):
                whole = review.model_dump(mode="json") if form is Form.JSON else None
                listing.add(*_row(review), whole=whole)
        listing.close()
        tell = self._say if form is Form.TABLE else complain_all
        tell(self._passed.lines())

    def ask(self, ask: Ask, every: bool, form: Form) -> None:
        """Print the parts that somebody should look at; those judged already only if `every`."""
        said = last_words(read_reviews(self._read(self._topics.reviews, ask.since), self._passed))
        outcomes = self._read(self._topics.outcomes, ask.since)
        found = list(questions(outcomes, ask, said, self._passed))
        listing = Listing(self._console, *_QUESTIONS, form=form, empty="nothing to look at")
        for question in found:
            if every or question.review is None:
                listing.add(*_asked(question))
        listing.close()
        audits = [each for each in found if each.sample is Sample.AUDIT]
        judged = sum(each.review is not None for each in audits)
        tell = self._say if form is Form.TABLE else complain_all
        tell([f"random sample: {judged} of {len(audits)} judged", *self._passed.lines()])

    def rates(self, wanted: Filter, certified: float, confidence: float, form: Form) -> None:
        """Print what reviews say of false alarms and escapes, category by category."""
        reviews = read_reviews(self._read(self._topics.reviews, None), self._passed)
        listing = Listing(self._console, *_RATES, form=form, empty="no reviews")
        for category, found in rates_by_category(filter(wanted.takes, reviews), confidence).items():
            shares = (found.false_alarms, found.shipped, found.escapes)
            listing.add(
                category,
                found.reviews,
                found.audited,
                *(value for share in shares for value in _ends(share)),
                standing(found.false_alarms, certified).value,
            )
        listing.close()
        tell = self._say if form is Form.TABLE else complain_all
        tell(self._passed.lines())

    def _meant(self, name: str, word: Word, since: datetime | None) -> Outcome:
        problem = too_long(word)
        if problem:
            self._refuse([problem])
        found = named(self._read(self._topics.outcomes, since), name, self._passed)
        if len(found) == 1:
            return found[0]
        known = ", ".join(
            f"{each.outcome_id[:_ID_SHOWN]} at {where(each)}" for each in found[:_NAMED]
        )
        wrong = (
            f"{name} names several outcomes: {known}"
            if found
            else f"no outcome on {self._topics.outcomes} is named {name}: give a frame id, 8 or "
            "more characters of an outcome id, or topic/partition/offset of the frame"
        )
        return self._refuse([wrong, *self._passed.lines()])

    def _refuse(self, lines: Iterable[str]) -> NoReturn:
        for line in lines:
            complain(f"stream-inspector review: {line}")
        raise typer.Exit(_UNFIT)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._console.print(text(line))


def complain_all(lines: Iterable[str]) -> None:
    """On the other stream: the first one is for programs."""
    for line in lines:
        complain(line)


def _ends(share: Share | None) -> tuple[float | None, ...]:
    return (share.value, share.low, share.high) if share else (None, None, None)


def _asked(question: Question) -> tuple[object, ...]:
    outcome, frame = question.outcome, question.outcome.frame
    return (
        question.sample.value,
        outcome.decided_at,
        frame.camera_id if frame else None,
        frame.frame_id if frame else None,
        outcome.verdict.value if outcome.verdict else None,
        outcome.image_score,
        outcome.image_threshold,
        question.review.judgement.value if question.review else None,
        Shown(outcome.outcome_id, outcome.outcome_id[:_ID_SHOWN]),
        where(outcome),
    )


def _row(review: Review) -> tuple[object, ...]:
    shown, frame = review.shown, review.frame
    return (
        review.reviewed_at,
        review.judgement.value,
        frame.category,
        frame.camera_id,
        frame.frame_id,
        shown.verdict.value if shown.verdict else "not inspected",
        shown.image_score,
        shown.image_threshold,
        review.kind,
        review.sample.value if review.sample else None,
        review.by,
        review.note or None,
        Shown(review.outcome_id, review.outcome_id[:_ID_SHOWN]),
        where(review),
    )


@contextmanager
def desk(config: Path | None, assignments: list[str] | None, servers: str | None) -> Iterator[Desk]:
    """A desk on the configured broker; our errors end the command with their exit code."""
    try:
        flags = parse_assignments(assignments or [])
        if servers is not None:
            flags["kafka.bootstrap_servers"] = servers
        settings = OperatorSettings.load(config, flags)
        setup_logging(settings.log, "review")
        kafka, topics = settings.kafka, settings.topics

        def publish(messages: Sequence[Outgoing]) -> None:
            if topics.create:
                create_topics(kafka, {topics.reviews: topics.partitions})
            with closing(connect_producer(kafka, "stream-inspector-review")) as producer:
                producer.publish(messages)

        yield Desk(
            topics, lambda name, since: read_topic(kafka, name, since=since), publish, Terminal()
        )
    except WorkerError as error:
        complain(f"stream-inspector review: {error}")
        raise typer.Exit(getattr(error, "exit_code", _UNAVAILABLE)) from None
