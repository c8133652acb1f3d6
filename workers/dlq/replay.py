"""Dead letters -> their frames on the frames topic again, once, with their lineage.

The frame and the resolution that says so travel together. Where the broker has transactions they
are one statement, and a second replay that runs at the same time is fenced off; where it has not,
a replay that died may send a frame again, under the same run and so with the same outcome id.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from schemas.dead_letter import DeadLetter
from schemas.envelope import WireMessage
from schemas.resolution import Action, Resolution
from workers.dlq.letters import Filter, Resolutions, has_bytes, key_of, where
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import MessageTooLarge, NoSuchPartition
from workers.runtime.host.terminal import plain
from workers.runtime.settings.process import TopicSettings

_BATCH_BYTES = 16 * 2**20
_BATCH_LETTERS = 50
_NAMED = 5  # topics that are told one by one
_NAME = 80  # characters of a name

Statement = list[Outgoing]  # settles one letter
Settle = Callable[[list[Outgoing]], None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with dead letters, by whom, and why."""

    action: Action
    by: str
    why: str
    at: datetime


@dataclass(slots=True)
class Counts:
    """What was done with the letters that were meant."""

    settled: int = 0
    settled_before: int = 0
    without_bytes: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)  # by the topic that they name
    nowhere: int = 0  # that name a partition which is not there
    too_large: int = 0  # for the broker, although their letters were not

    def lines(self, action: Action, frames: str, *, dry_run: bool) -> Iterator[str]:
        """What to say of it. `frames` is the topic that takes replays."""
        yield f"{self.settled} dead letters {'would be ' if dry_run else ''}{action.value}"
        if self.settled_before:
            yield f"{self.settled_before} were settled before: left alone"
        if self.without_bytes:
            yield f"{self.without_bytes} have no bytes (too large for a dead letter): left open"
        for topic, count in self.elsewhere.most_common(_NAMED):
            yield (
                f"{count} name the topic {plain(topic)[:_NAME]}: refused and left open; frames are "
                f"sent to {frames} only (setting topics.frames)"
            )
        if self.nowhere:
            yield (
                f"{self.nowhere} name a partition that {frames} does not have (any more): left open"
            )
        if self.too_large:
            yield f"{self.too_large} are refused by the broker as too large: left open"


def open_letters(
    letters: Iterable[DeadLetter], wanted: Filter, known: Resolutions, counts: Counts
) -> Iterator[DeadLetter]:
    """The letters that are meant and not settled yet."""
    for letter in letters:
        if not wanted.takes(letter):
            continue
        if key_of(letter) in known:
            counts.settled_before += 1
        else:
            yield letter


def resolve(
    letters: Iterable[DeadLetter],
    decision: Decision,
    topics: TopicSettings,
    settle: Settle,
    counts: Counts,
) -> None:
    """Carry the decision out, batch by batch."""
    batch: list[Statement] = []
    for letter in letters:
        statement = _statement(letter, decision, topics, counts)
        if statement is None:
            continue
        batch.append(statement)
        if len(batch) >= _BATCH_LETTERS or sum(map(_size, batch)) >= _BATCH_BYTES:
            _settle(batch, settle, counts)
            batch = []
    if batch:
        _settle(batch, settle, counts)


def _statement(
    letter: DeadLetter, decision: Decision, topics: TopicSettings, counts: Counts
) -> Statement | None:
    """What settles a letter; None when it stays open."""
    resolution = Outgoing(topics.resolutions, _resolution(letter, decision).encode())
    if decision.action is not Action.REPLAYED:
        return [resolution]
    if letter.record.topic != topics.frames:  # whoever can write a letter must not write alarms
        counts.elsewhere[letter.record.topic] += 1
        return None
    if not has_bytes(letter):
        counts.without_bytes += 1
        return None
    return [again(letter), resolution]


def _settle(batch: list[Statement], settle: Settle, counts: Counts) -> None:
    """Publish; of a batch that is refused for what one letter says, the parts that pass."""
    try:
        settle([message for statement in batch for message in statement])
    except (MessageTooLarge, NoSuchPartition) as error:
        if len(batch) == 1:
            counts.too_large += isinstance(error, MessageTooLarge)
            counts.nowhere += isinstance(error, NoSuchPartition)
            return
        half = len(batch) // 2
        _settle(batch[:half], settle, counts)
        _settle(batch[half:], settle, counts)
    else:
        counts.settled += len(batch)


def run_of(letter: DeadLetter) -> str:
    """The run of the letter's replay: the same however often the replay is repeated."""
    name = f"{letter.outcome_id} {where(letter)}"  # ids repeat
    return f"replay-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def again(letter: DeadLetter) -> Outgoing:
    """The original record, byte for byte, with the headers of its lineage."""
    record, original = letter.record, letter.original
    lineage = {
        "ce_run": run_of(letter),
        "ce_replayedfrom": where(letter),
    }
    kept = tuple(pair for pair in original.header_bytes() if pair[0] not in lineage)
    headers = kept + tuple((name, text.encode()) for name, text in lineage.items())
    message = WireMessage(original.key_bytes(), original.value_bytes() or b"", headers)
    return Outgoing(record.topic, message, record.partition)


def _resolution(letter: DeadLetter, decision: Decision) -> Resolution:
    return Resolution(
        outcome_id=letter.outcome_id,
        action=decision.action,
        run=run_of(letter) if decision.action is Action.REPLAYED else None,
        original=letter.record,
        by=decision.by,
        why=decision.why,
        resolved_at=decision.at,
    )


def _size(batch: Iterable[Outgoing]) -> int:
    return sum(len(each.message.value) for each in batch)
