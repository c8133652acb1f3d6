"""Connects the dead-letter commands to a broker."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from json import dumps
from pathlib import Path

import typer
from rich.console import Console

from schemas.dead_letter import DeadLetter
from schemas.resolution import Action
from schemas.review import Review, Subject, subject_of
from workers.dlq.letters import (
    Filter,
    Reading,
    Resolutions,
    key_of,
    read_letters,
    read_resolutions,
    read_reviews,
    where,
)
from workers.dlq.replay import Counts, Decision, Settle, open_letters, resolve
from workers.dlq.show import (
    everything_of,
    list_interruptions,
    list_letters,
    tell_letter,
    write_bytes,
)
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Delivery, Gap, Record
from workers.runtime.errors import AccessDenied, WorkerError
from workers.runtime.host.operator import operator
from workers.runtime.host.terminal import Terminal, complain, text
from workers.runtime.listing import Form
from workers.runtime.moments import period
from workers.runtime.settings.operator import OperatorSettings
from workers.runtime.settings.process import TopicSettings, parse_assignments
from workers.runtime.telemetry.logs import setup_logging

_NOT_FOUND = 65  # EX_DATAERR
_UNAVAILABLE = 69  # EX_UNAVAILABLE

ReadTopic = Callable[[str], Iterable[Record]]


class Desk:
    """Where dead letters are dealt with."""

    def __init__(
        self,
        topics: TopicSettings,
        read: ReadTopic,
        connect: Callable[[], Delivery],
        console: Console,
    ):
        self._topics, self._read, self._connect = topics, read, connect
        self._console = console
        self._reading = Reading()

    def overview(self, wanted: Filter, settled: bool, form: Form) -> None:
        """Print the letters that are meant; open ones only unless `settled`."""
        known = self._known()
        meant = (letter for letter in self._letters() if wanted.takes(letter))
        chosen = (letter for letter in meant if settled or key_of(letter) not in known)
        list_letters(chosen, known, self._reviews(), self._console, form)
        if form is not Form.TABLE:
            for line in self._reading.passed.lines():
                complain(line)  # the other stream is for programs
            return
        if self._reading.interruptions and wanted.empty:
            list_interruptions(self._reading.interruptions, self._console)
        self._say(self._reading.passed.lines())

    def show(self, name: str, out: Path | None, json: bool = False) -> None:
        """Print one letter. Exits with 65 when there is none, or more than one."""
        found = [letter for letter in self._letters() if Filter(ids=(name,)).takes(letter)]
        if len(found) != 1:
            known = ", ".join(f"{each.outcome_id[:12]} at {where(each)}" for each in found[:10])
            wrong = (
                f"{name} names several dead letters: {known}"
                if found
                else f"no dead letter is named {name}; see `stream-inspector dlq list --all`"
            )
            self._say([wrong, *self._reading.passed.lines()])
            raise typer.Exit(_NOT_FOUND)
        letter = found[0]
        resolution = self._known().get(key_of(letter))
        subject = subject_of(letter.outcome_id, letter.frame, letter.record)
        review = self._reviews().get(subject)
        if json:
            typer.echo(dumps(everything_of(letter, resolution, review)))
        else:
            tell_letter(letter, resolution, review, self._console)
        if out is not None:
            write_bytes(found[0], out, self._console)

    def resolve(self, action: Action, wanted: Filter, why: str, dry_run: bool) -> None:
        """Replay or discard open letters, and say how many."""
        with self._settle(dry_run) as settle:  # before anything is read: see there
            counts = Counts()
            decision = Decision(action, operator(), why, _now())
            meant = open_letters(self._letters(), wanted, self._known(), counts)
            resolve(meant, decision, self._topics, settle, counts)
        meant_time = period(wanted.since, wanted.until)
        if meant_time:
            self._say([f"rejected {meant_time}"])
        self._say(counts.lines(action, self._topics.frames, dry_run=dry_run))
        self._say(self._reading.passed.lines())

    def _letters(self) -> Iterator[DeadLetter]:
        return read_letters(self._read(self._topics.dead_letters), self._reading)

    def _known(self) -> Resolutions:
        return read_resolutions(self._read(self._topics.resolutions), self._reading.passed)

    def _reviews(self) -> dict[Subject, Review]:
        """What people said of the frames; a user without the right to read it goes without."""
        try:
            return read_reviews(self._read(self._topics.reviews), self._reading.passed)
        except AccessDenied as error:
            complain(f"stream-inspector dlq: without reviews: {error}")
            return {}

    @contextmanager
    def _settle(self, dry_run: bool) -> Iterator[Settle]:
        if dry_run:
            yield lambda messages: None  # noqa: ARG005
            return
        with closing(self._connect()) as delivery:
            delivery.settle([], {}, None)  # from here on another replay is fenced off
            self._say([f"delivery: {delivery.guarantee}"])
            yield lambda messages: delivery.settle(messages, {}, None)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._console.print(text(line))


def _now() -> datetime:
    return datetime.now(UTC)


def _in_words(gap: Gap) -> str:
    at = gap.partition
    return (
        f"{gap.records} records of {at.topic} {at.index} ({gap.first} to {gap.last}) could not be "
        f"unpacked: {gap.why}"
    )


@contextmanager
def desk(config: Path | None, assignments: list[str] | None, servers: str | None) -> Iterator[Desk]:
    """A desk on the configured broker; our errors end the command with their exit code."""
    try:
        flags = parse_assignments(assignments or [])
        if servers is not None:
            flags["kafka.bootstrap_servers"] = servers
        settings = OperatorSettings.load(config, flags)
        setup_logging(settings.log, "dlq")
        kafka, topics = settings.kafka, settings.topics

        def connect() -> Delivery:
            if topics.create:
                create_topics(kafka, {topics.resolutions: topics.partitions})
            return connect_writer(kafka, "stream-inspector-dlq", "stream-inspector-dlq")

        gaps: list[Gap] = []
        yield Desk(topics, lambda name: read_topic(kafka, name, gaps.append), connect, Terminal())
        for gap in gaps:
            complain(f"stream-inspector dlq: {_in_words(gap)}")
    except WorkerError as error:
        complain(f"stream-inspector dlq: {error}")
        raise typer.Exit(getattr(error, "exit_code", _UNAVAILABLE)) from None
