"""What people said of a category's parts: false alarms, escapes, and what a certificate lacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from schemas.outcome import Verdict
from schemas.review import Judgement, Part, Sample, part_said
from stream_inspector.threshold.order import images_needed
from stream_inspector.threshold.production.audit import (
    Judged,
    Rates,
    Standing,
    rates,
    reviews_to_keep,
    standing,
)
from workers.console.history.tables import outcomes, words

# A word of the random sample. Of all categories: no index on it shall tempt SQLite.
AUDITED = func.coalesce(words.c.sample, "") == Sample.AUDIT.value


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the random sample."""

    decided_ms: int
    calibration_id: str | None
    judged: Judged


@dataclass(frozen=True, slots=True)
class Certificate:
    """What reviews of one calibration say of the false alarms that it may have."""

    certified: float
    rates: Rates
    standing: Standing
    more: int | None  # good parts without an alarm until it is kept; None: too many
    needed: int  # reviewed good parts of which a new calibration can certify the share
    good: int  # reviewed good parts there are

    @property
    def lacking(self) -> int:
        """Good parts that are still to be reviewed for a new calibration."""
        return max(0, self.needed - self.good)


def audited(connection: Connection, category: str) -> list[Word]:
    """The random sample's words that tell what the part is."""
    joined = words.join(outcomes, outcomes.c.part == words.c.part)
    table = outcomes.c
    found = (
        select(table.decided_ms, table.calibration_id, table.verdict, words.c.judgement)
        .select_from(joined)
        .where(
            table.category == category,
            table.judgement.is_not(None),
            table.verdict != "rejected",
            AUDITED,
        )
    )
    return [
        Word(decided_ms, calibration, told)
        for decided_ms, calibration, verdict, judgement in connection.execute(found)
        if (told := _judged(verdict, judgement)) is not None
    ]


def _judged(verdict: str, judgement: str) -> Judged | None:
    try:
        part = part_said(Judgement(judgement), Verdict(verdict))
    except ValueError:  # a word of another version
        return None
    return None if part is None else Judged(part is Part.GOOD, verdict == "defect", audit=True)


def certificate(said: Sequence[Word], certified: float, confidence: float) -> Certificate:
    """Of the words on one calibration's verdicts."""
    judged = [word.judged for word in said]
    found = rates(judged, confidence)
    good = [each for each in judged if each.good]
    alarms = sum(each.alarmed for each in good)
    return Certificate(
        certified,
        found,
        standing(found.false_alarms, certified),
        reviews_to_keep(alarms, len(good), certified, confidence),
        images_needed(certified, confidence),
        len(good),
    )


def newest_calibration(connection: Connection, category: str) -> tuple[str, str] | None:
    """The version and the calibration that judged the category's last part; None: none did."""
    table = outcomes.c
    found = (
        select(table.model_version, table.calibration_id)
        .where(table.category == category, table.verdict != "rejected", table.run == "live")
        .order_by(table.decided_ms.desc())
        .limit(1)
    )
    row = connection.execute(found).first()
    return (row[0] or "", row[1] or "") if row else None
