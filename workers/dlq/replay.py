"""Dead letters -> their frames on the frames topic again, once, with their lineage.

The frame and the resolution that says so travel together. Where the broker has transactions they
are one statement, and a second replay that runs at the same time is fenced off; where it has not,
a replay that died may send a frame again, under the same run and so with the same outcome id.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from schemas.dead_letter import DeadLetter
from schemas.envelope import WireMessage
from schemas.resolution import Action, Resolution
from workers.dlq.letters import Filter, Resolutions, has_bytes
from workers.runtime.bus.ports import Outgoing

_BATCH_BYTES = 16 * 2**20
_BATCH_MESSAGES = 100

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


def open_letters(
    letters: Iterable[DeadLetter], wanted: Filter, known: Resolutions, counts: Counts
) -> Iterator[DeadLetter]:
    """The letters that are meant and not settled yet."""
    for letter in letters:
        if not wanted.takes(letter):
            continue
        if letter.outcome_id in known:
            counts.settled_before += 1
        else:
            yield letter


def resolve(
    letters: Iterable[DeadLetter], decision: Decision, topic: str, settle: Settle, counts: Counts
) -> None:
    """Carry the decision out, batch by batch. `topic` takes the resolutions."""
    batch: list[Outgoing] = []
    for letter in letters:
        if decision.action is Action.REPLAYED:
            if not has_bytes(letter):
                counts.without_bytes += 1
                continue
            batch.append(again(letter))
        batch.append(Outgoing(topic, _resolution(letter, decision).encode()))
        counts.settled += 1
        if len(batch) >= _BATCH_MESSAGES or _size(batch) >= _BATCH_BYTES:
            settle(batch)
            batch = []
    if batch:
        settle(batch)


def run_of(letter: DeadLetter) -> str:
    """The run of the letter's replay: the same however often the replay is repeated."""
    return f"replay-{hashlib.sha256(letter.outcome_id.encode()).hexdigest()[:12]}"


def again(letter: DeadLetter) -> Outgoing:
    """The original record, byte for byte, with the headers of its lineage."""
    record, original = letter.record, letter.original
    lineage = {
        "ce_run": run_of(letter),
        "ce_replayedfrom": f"{record.topic}/{record.partition}/{record.offset}",
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
