"""Connects the dead-letter commands to a broker."""

import getpass
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console

from schemas.dead_letter import DeadLetter
from schemas.resolution import Action, Resolution
from workers.dlq.letters import Filter, Reading, read_letters, read_resolutions
from workers.dlq.replay import Counts, Decision, Settle, open_letters, resolve
from workers.dlq.show import (
    as_json,
    details_of,
    interruptions_table,
    table_of,
    write_bytes,
)
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.snapshot import read_topic
from workers.runtime.bus.ports import Delivery, Gap, Record
from workers.runtime.errors import WorkerError
from workers.runtime.settings.process import (
    ProcessSettings,
    TopicSettings,
    parse_assignments,
)
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

    def overview(self, wanted: Filter, settled: bool, json: bool) -> None:
        """Print the letters that are meant; open ones only unless `settled`."""
        known = self._known()
        meant = (letter for letter in self._letters() if wanted.takes(letter))
        chosen = (letter for letter in meant if settled or letter.outcome_id not in known)
        if json:
            for letter in chosen:
                typer.echo(as_json(letter, known.get(letter.outcome_id)))
            return
        table = table_of(chosen, known)
        self._console.print(table if table.row_count else "no dead letters")
        if self._reading.interruptions and wanted.empty:
            self._console.print(interruptions_table(self._reading.interruptions))
        self._say_unreadable()

    def show(self, name: str, out: Path | None) -> None:
        """Print one letter. Exits with 65 when there is none, or more than one."""
        found = [letter for letter in self._letters() if Filter(ids=(name,)).takes(letter)]
        if len({letter.outcome_id for letter in found}) != 1:
            known = ", ".join(letter.outcome_id[:12] for letter in found[:10])
            self._console.print(
                f"{name} names several dead letters: {known}"
                if found
                else f"no dead letter is named {name}; see `stream-inspector dlq list --all`"
            )
            raise typer.Exit(_NOT_FOUND)
        self._console.print(details_of(found[0], self._known().get(found[0].outcome_id)))
        if out is not None:
            write_bytes(found[0], out, self._console)

    def resolve(self, action: Action, wanted: Filter, why: str, dry_run: bool) -> None:
        """Replay or discard open letters, and say how many."""
        settle = self._settle(dry_run)  # before anything is read: see there
        counts = Counts()
        decision = Decision(action, f"{getpass.getuser()}@{socket.gethostname()}", why, _now())
        meant = open_letters(self._letters(), wanted, self._known(), counts)
        resolve(meant, decision, self._topics.resolutions, settle, counts)
        self._say(action, counts, dry_run)

    def _letters(self) -> Iterator[DeadLetter]:
        return read_letters(self._read(self._topics.dead_letters), self._reading)

    def _known(self) -> dict[str, Resolution]:
        return read_resolutions(self._read(self._topics.resolutions))

    def _settle(self, dry_run: bool) -> Settle:
        if dry_run:
            return lambda messages: None  # noqa: ARG005
        delivery = self._connect()
        delivery.settle([], {}, None)  # from here on another replay is fenced off
        self._console.print(f"delivery: {delivery.guarantee}")
        return lambda messages: delivery.settle(messages, {}, None)

    def _say(self, action: Action, counts: Counts, dry_run: bool) -> None:
        lead = f"would be {action.value}" if dry_run else action.value
        self._console.print(f"{counts.settled} dead letters {lead}")
        if counts.settled_before:
            self._console.print(f"{counts.settled_before} were settled before: left alone")
        if counts.without_bytes:
            self._console.print(
                f"{counts.without_bytes} have no bytes (too large for a dead letter): left open"
            )
        self._say_unreadable()

    def _say_unreadable(self) -> None:
        if self._reading.unreadable:
            self._console.print(
                f"{self._reading.unreadable} records of {self._topics.dead_letters} cannot be read "
                "by this version"
            )


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
        settings = ProcessSettings.load(config, flags)
        setup_logging(settings.log, "dlq")
        kafka, topics = settings.kafka, settings.topics

        def connect() -> Delivery:
            if topics.create:
                create_topics(kafka, {topics.resolutions: topics.partitions})
            return connect_writer(kafka, "stream-inspector-dlq", "stream-inspector-dlq")

        gaps: list[Gap] = []
        yield Desk(topics, lambda name: read_topic(kafka, name, gaps.append), connect, Console())
        for gap in gaps:
            typer.secho(f"stream-inspector dlq: {_in_words(gap)}", err=True, fg="yellow")
    except WorkerError as error:
        typer.secho(f"stream-inspector dlq: {error}", err=True, fg="red")
        raise typer.Exit(getattr(error, "exit_code", _UNAVAILABLE)) from None
