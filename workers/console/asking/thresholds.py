"""What other thresholds would have done to the last days' parts, and which reviews may set them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from schemas.outcome import Verdict
from schemas.review import Judgement, Sample, part_said
from schemas.review import Part as Said
from stream_inspector.threshold.production.recalibrate import Reviewed
from workers.console.asking.judged import AUDITED
from workers.console.asking.parts import Part, parts, select_parts
from workers.console.history.tables import outcomes, tallies, words

_MOST = 2000  # scores of confirmed defects, and of false alarms
_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Span:
    """A category's parts since some time, as versions of the same weights scored them."""

    category: str
    since_ms: int
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What people said: scores that may set thresholds, and those that may not."""

    reviewed: Reviewed
    chosen: tuple[float, ...]  # good parts that were looked at because of their score
    said: tuple[tuple[str, datetime], ...]  # review ids and times behind `reviewed`


@dataclass(frozen=True, slots=True)
class Alarms:
    """Parts above a threshold, and what people said of them."""

    count: int
    defects: int
    false: int

    @property
    def unknown(self) -> int:
        """Without a word that tells."""
        return self.count - self.defects - self.false


def scored(connection: Connection, span: Span) -> int:
    """Parts with a score."""
    table = tallies.c
    found = select(func.sum(table.scored))
    found = found.where(table.category == span.category, table.start_ms >= span.since_ms)
    return int(connection.execute(found).scalar() or 0)


def alarms_above(connection: Connection, span: Span, threshold: float) -> Alarms:
    """What would have alarmed."""
    table = outcomes.c
    found = (
        select(table.judgement, table.verdict, func.count())
        .where(*_own(span), table.score > threshold)
        .group_by(table.judgement, table.verdict)
    )
    rows = connection.execute(found).all()
    told = [(_part(judgement, verdict), int(count)) for judgement, verdict, count in rows]
    return Alarms(
        sum(count for _, count in told),
        sum(count for part, count in told if part is Said.DEFECTIVE),
        sum(count for part, count in told if part is Said.GOOD),
    )


def between(connection: Connection, span: Span, low: float, high: float, most: int) -> list[Part]:
    """Parts above the one and not above the other, of the newest those nearest to the higher."""
    table = outcomes.c
    found = select_parts(*_own(span), table.score > low, table.score <= high)
    newest = parts(connection, found.order_by(table.decided_ms.desc()).limit(_LOOKED_AT))
    return sorted(newest, key=lambda part: -(part.score or 0.0))[:most]


def learnt(connection: Connection, span: Span) -> Learnt:
    """The random sample's good parts, known defects, and false alarms that nobody drew."""
    audited = _audited(connection, span)
    bad = _bad(connection, span)
    return Learnt(
        Reviewed(tuple(score for score, *_ in audited), tuple(score for score, *_ in bad)),
        tuple(_chosen(connection, span)),
        tuple((review, _moment(at)) for _, review, at in (*audited, *bad)),
    )


Scored = tuple[float, str, int]  # score, review id, and when it was said


def _audited(connection: Connection, span: Span) -> list[Scored]:
    found = (
        select(
            outcomes.c.score,
            words.c.review_id,
            words.c.reviewed_ms,
            words.c.judgement,
            outcomes.c.verdict,
        )
        .select_from(words.join(outcomes, outcomes.c.part == words.c.part))
        .where(*_own(span), outcomes.c.judgement.is_not(None), AUDITED)
    )
    return [
        (score, review, at)
        for score, review, at, judgement, verdict in connection.execute(found)
        if _part(judgement, verdict) is Said.GOOD
    ]


def _bad(connection: Connection, span: Span) -> list[Scored]:
    """Confirmed and missed defects, the newest first."""
    table = outcomes.c
    right = (table.judgement == "right") & (table.verdict == "defect")
    found = (
        select(table.score, words.c.review_id, words.c.reviewed_ms)
        .select_from(outcomes.join(words, table.part == words.c.part))
        .where(*_own(span), or_(right, table.judgement == "missed"))
        .order_by(table.decided_ms.desc())
        .limit(_MOST)
    )
    return [(score, review, at) for score, review, at in connection.execute(found)]


def _chosen(connection: Connection, span: Span) -> list[float]:
    table = outcomes.c
    found = (
        select(table.score)
        .select_from(outcomes.join(words, table.part == words.c.part))
        .where(*_own(span), table.judgement == "false-alarm")
        .where(words.c.sample.is_distinct_from(Sample.AUDIT.value))
        .order_by(table.decided_ms.desc())
        .limit(_MOST)
    )
    return [score for (score,) in connection.execute(found)]


def _own(span: Span) -> tuple[ColumnElement[bool], ...]:
    table = outcomes.c
    return (
        table.category == span.category,
        table.decided_ms >= span.since_ms,
        table.score.is_not(None),
        table.model_version.in_(span.versions),
        table.run == "live",
    )


def _part(judgement: str | None, verdict: str) -> Said | None:
    try:
        return part_said(Judgement(judgement), Verdict(verdict)) if judgement else None
    except ValueError:  # a word of another version
        return None


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
