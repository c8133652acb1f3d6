"""Which parts people should look at: a random sample, and the nearest near misses. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.outcome import Outcome, Verdict
from schemas.review import Review, Sample, Subject, name_of, subject_of
from stream_inspector.threshold.production.audit import Lowest, lot
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Record


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for."""

    category: str
    since: datetime  # by the time of the verdict
    until: datetime
    audits: int
    near: int

    def takes(self, outcome: Outcome) -> bool:
        """Whether it is an inspected frame of the category and time, and no replay of one."""
        return (
            outcome.verdict is not None
            and outcome.frame is not None
            and outcome.frame.category == self.category
            and outcome.replayed_from is None
            and self.since <= outcome.decided_at < self.until
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A part that somebody should look at."""

    sample: Sample
    outcome: Outcome
    review: Review | None  # the last word, where there is one


def questions(
    records: Iterable[Record], ask: Ask, said: Mapping[Subject, Review], passed: PassedOver
) -> Iterator[Question]:
    """The random sample of all inspected frames, then near misses and passes nearest to an alarm.

    A frame of the random sample is no near miss to look at once more.
    """
    drawn, near = Lowest[Outcome](ask.audits), Lowest[Outcome](ask.audits + ask.near)
    for record in records:
        outcome = passed.read(record, lambda each: Outcome.decode(each.headers, each.value))
        if outcome is None or not ask.takes(outcome):
            continue
        name = name_of(_subject(outcome))
        drawn.offer(lot(name), name, outcome)
        below = _below(outcome)
        if below is not None:
            near.offer(below, name, outcome)
    audited = {_subject(outcome) for outcome in drawn.items()}
    others = [each for each in near.items() if _subject(each) not in audited]
    for sample, found in ((Sample.AUDIT, drawn.items()), (Sample.INFORMATIVE, others[: ask.near])):
        yield from (Question(sample, each, said.get(_subject(each))) for each in found)


def _subject(outcome: Outcome) -> Subject:
    return subject_of(outcome.outcome_id, outcome.frame, outcome.record)


def _below(outcome: Outcome) -> float | None:
    """How far a score lies below its threshold, in shares of it; None of an alarm."""
    score, threshold = outcome.image_score, outcome.image_threshold
    if outcome.verdict is Verdict.DEFECT or score is None or not threshold:
        return None
    return (threshold - score) / abs(threshold)
