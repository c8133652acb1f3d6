"""people -> whoever learns from them: whether what inspection said of a part was right.

Reviews of one part are kept all of them, and the last word counts (`last_words`).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from schemas.message import Message, Name, Time, WireModel
from schemas.outcome import FrameRef, Outcome, RecordRef, RejectReason, Verdict, fingerprint

NOTE_LIMIT = 1000  # characters
KIND_LIMIT = 64

Subject = tuple[str, str]  # of which frame: outcome id, and what tells frames of one id apart


class Judgement(StrEnum):
    """What a person says of what inspection said."""

    RIGHT = "right"
    FALSE_ALARM = "false-alarm"
    MISSED = "missed"  # a defective part that passed, or was not inspected
    UNSURE = "unsure"  # also takes an earlier word back


class Sample(StrEnum):
    """Why somebody was asked about a frame; only one of them says something about all frames."""

    AUDIT = "audit"  # drawn by chance from all frames, whatever their score
    INFORMATIVE = "informative"  # chosen by its score, near the threshold


class Part(StrEnum):
    """What a part is, as far as a review tells."""

    GOOD = "good"
    DEFECTIVE = "defective"


class Shown(WireModel):
    """What inspection had said, and the person saw when judging."""

    verdict: Verdict | None = Field(default=None, description="null when it was not inspected")
    rejected: RejectReason | None = Field(
        default=None, description="why it was not inspected; null when it was"
    )
    image_score: float | None = Field(
        default=None, description="of the outcome, without unit; null when not inspected"
    )
    image_threshold: float | None = Field(
        default=None, description="of the outcome, same scale; null when not inspected"
    )
    model_version: str | None = Field(
        default=None, max_length=256, description="that judged; null when not inspected"
    )
    calibration_id: str | None = Field(
        default=None, max_length=256, description="that judged; null when not inspected"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.verdict is None) == (self.rejected is None):
            raise ValueError("what was shown has either a verdict or a reject reason")
        return self

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """What an outcome shows."""
        return cls(**{name: getattr(outcome, name) for name in cls.model_fields})


class Review(Message):
    """A person's word on the outcome of one frame."""

    message_name: ClassVar[str] = "review"

    review_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="the same for every delivery of this review"
    )
    outcome_id: str = Field(pattern=r"^[0-9a-f]{32}$", description="of the outcome that is judged")
    frame: FrameRef = Field(description="which frame; with outcome_id it names one part")
    record: RecordRef = Field(description="the frame's record in Kafka")
    judgement: Judgement = Field(
        description="false-alarm: of a defect; missed: of what was no defect; unsure: no word, "
        "also where there was one before"
    )
    kind: str | None = Field(
        default=None,
        min_length=1,
        max_length=KIND_LIMIT,
        description="kind of defect, in the plant's words; null: not said",
    )
    note: str = Field(default="", max_length=NOTE_LIMIT, description="for people")
    shown: Shown = Field(description="what the person saw")
    sample: Sample | None = Field(
        default=None,
        description="audit: the frame was drawn by chance, whatever its score; informative: it was "
        "chosen by its score; null: somebody wanted to say it",
    )
    by: Name = Field(description="who judged: a user's name, or user@host")
    reviewed_at: Time = Field(description="by the writer's clock; UTC; the latest word counts")

    @model_validator(mode="after")
    def _answers_what_was_shown(self) -> Self:
        alarmed = self.shown.verdict is Verdict.DEFECT
        if self.judgement is Judgement.FALSE_ALARM and not alarmed:
            raise ValueError("only a defect can be a false alarm")
        if self.judgement is Judgement.MISSED and alarmed:
            raise ValueError("what is shown as a defect was not missed")
        return self

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        judgement: Judgement,
        *,
        by: str,
        at: datetime,
        note: str = "",
        kind: str | None = None,
        sample: Sample | None = None,
    ) -> Self:
        """A review of an outcome.

        Raises ValueError when the outcome names no frame, or the judgement does not fit it.
        """
        if outcome.frame is None:
            raise ValueError("its headers could not be read: no camera and no category is known")
        told = (outcome.outcome_id, fingerprint(outcome.frame, outcome.record), judgement, by, at)
        return cls(
            review_id=hashlib.sha256("\x1f".join(map(str, told)).encode()).hexdigest()[:32],
            outcome_id=outcome.outcome_id,
            frame=outcome.frame,
            record=outcome.record,
            judgement=judgement,
            kind=kind,
            note=note,
            shown=Shown.of(outcome),
            sample=sample,
            by=by,
            reviewed_at=at,
        )

    @property
    def subject(self) -> Subject:
        """Which frame is judged."""
        return subject_of(self.outcome_id, self.frame, self.record)

    @property
    def part(self) -> Part | None:
        """What the part is; None where the review does not tell."""
        return part_said(self.judgement, self.shown.verdict)

    @property
    def event_id(self) -> str:
        return self.review_id

    @property
    def event_source(self) -> str:
        return "/reviews"

    @property
    def event_time(self) -> datetime:
        return self.reviewed_at

    @property
    def key(self) -> str:
        return self.outcome_id


def part_said(judgement: Judgement, verdict: Verdict | None) -> Part | None:
    """What a part is by a word on a verdict; None where it does not tell."""
    if judgement is Judgement.FALSE_ALARM:
        return Part.GOOD
    if judgement is Judgement.MISSED:
        return Part.DEFECTIVE
    if judgement is Judgement.UNSURE or verdict is None:
        return None
    return Part.DEFECTIVE if verdict is Verdict.DEFECT else Part.GOOD


def subject_of(outcome_id: str, frame: FrameRef | None, record: RecordRef) -> Subject:
    """Which frame a message speaks of: outcome ids repeat where a camera counts anew."""
    return outcome_id, fingerprint(frame, record)


def name_of(subject: Subject) -> str:
    """One name of a frame, by which samples are drawn: the same for everybody."""
    return ":".join(subject)


def last_words(reviews: Iterable[Review]) -> dict[Subject, Review]:
    """The latest review of each frame: the same in whatever order they come, however often."""
    latest: dict[Subject, Review] = {}
    for review in reviews:
        said = latest.get(review.subject)
        if said is None or _later(review) > _later(said):
            latest[review.subject] = review
    return latest


def _later(review: Review) -> tuple[datetime, str]:
    return review.reviewed_at, review.review_id
