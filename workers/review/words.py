"""Outcomes that a name may mean, reviews that a filter takes, and a word made a review. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.outcome import Outcome
from schemas.review import KIND_LIMIT, NOTE_LIMIT, Judgement, Review, Sample, Subject, subject_of
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Record
from workers.runtime.part_filter import ANY_PART, PartFilter

_NAME_LIMIT = 256  # characters, as the messages have it
_SHORTEST = 8  # characters of an outcome id that name it


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says of a part."""

    judgement: Judgement
    note: str
    kind: str | None
    sample: Sample | None
    by: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reviews are meant: all conditions that are given have to hold."""

    judgements: frozenset[Judgement] = frozenset()
    categories: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()
    sample: Sample | None = None
    since: datetime | None = None  # by the time of the review
    until: datetime | None = None
    parts: PartFilter = ANY_PART

    def takes(self, review: Review) -> bool:
        """Whether a review is meant."""
        return all(
            (
                not self.judgements or review.judgement in self.judgements,
                not self.categories or review.frame.category in self.categories,
                not self.cameras or review.frame.camera_id in self.cameras,
                self.sample is None or review.sample is self.sample,
                self.since is None or review.reviewed_at >= self.since,
                self.until is None or review.reviewed_at < self.until,
                self.parts.takes(review.frame.part),
            )
        )


def named(records: Iterable[Record], name: str, passed: PassedOver) -> list[Outcome]:
    """The outcomes that a name means, each frame once."""
    found: dict[Subject, Outcome] = {}
    for record in records:
        outcome = passed.read(record, lambda each: Outcome.decode(each.headers, each.value))
        if outcome is not None and _is_called(outcome, name):
            found[subject_of(outcome.outcome_id, outcome.frame, outcome.record)] = outcome
    return list(found.values())


def read_reviews(records: Iterable[Record], passed: PassedOver) -> list[Review]:
    """The reviews of a topic, as they lie there; what is none is passed over."""
    read = (
        passed.read(record, lambda each: Review.decode(each.headers, each.value))
        for record in records
    )
    return [review for review in read if review is not None]


def review_of(outcome: Outcome, word: Word, at: datetime) -> Review:
    """The word as an event. Raises ValueError saying why it does not fit the outcome."""
    return Review.of(
        outcome,
        word.judgement,
        by=word.by[:_NAME_LIMIT],
        at=at,
        note=word.note,
        kind=word.kind,
        sample=word.sample,
    )


def too_long(word: Word) -> str | None:
    """What of a word a review cannot hold."""
    if len(word.note) > NOTE_LIMIT:
        return f"--note has {len(word.note)} characters; {NOTE_LIMIT} are kept at most"
    if word.kind is not None and not 0 < len(word.kind) <= KIND_LIMIT:
        return f"--kind has {len(word.kind)} characters; it takes 1 to {KIND_LIMIT}"
    return None


def where(said: Outcome | Review) -> str:
    """The coordinates of the frame's record."""
    at = said.record
    return f"{at.topic}/{at.partition}/{at.offset}"


def _is_called(outcome: Outcome, name: str) -> bool:
    frame = outcome.frame.frame_id if outcome.frame else None
    starts = len(name) >= _SHORTEST and outcome.outcome_id.startswith(name)
    return starts or name in {frame, where(outcome)}
