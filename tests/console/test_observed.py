"""What people say as metrics: false alarms and escapes with their intervals, and missed defects."""

from datetime import timedelta

from floor import NOW, Floor
from sqlalchemy import update

from schemas.outcome import Verdict
from schemas.review import Judgement, Review, Sample
from workers.console.health import tell
from workers.console.history.tables import words
from workers.console.observed import Observed
from workers.runtime.telemetry.metrics.console import ConsoleMetrics


def metrics(floor: Floor) -> ConsoleMetrics:
    made = ConsoleMetrics()
    audit = floor.settings.console.audit
    tell(made, Observed(floor.database, floor.room.calibrations, audit))
    return made


def value(made: ConsoleMetrics, name: str, **labels: str) -> float | None:
    found = made.registry.get_sample_value(f"console_{name}", {"category": "bolts", **labels})
    return None if found is None else round(found, 3)


def say(floor: Floor, number: int, verdict: Verdict, judgement: Judgement, *, audit: bool) -> None:
    outcome = floor.part(sequence=number, verdict=verdict)
    sample = Sample.AUDIT if audit else None
    word = Review.of(outcome, judgement, by="olga", at=NOW, sample=sample)
    floor.publish(floor.settings.topics.reviews, word)


def test_the_random_sample_speaks_for_all_parts(floor: Floor) -> None:
    for number in range(30):
        say(floor, number, Verdict.PASS, Judgement.RIGHT, audit=True)
    for number in range(30, 40):
        say(floor, number, Verdict.DEFECT, Judgement.FALSE_ALARM, audit=True)
    for number in range(40, 90):  # chosen because they alarmed: no sample of all parts
        say(floor, number, Verdict.DEFECT, Judgement.RIGHT, audit=False)
    say(floor, 90, Verdict.DEFECT, Judgement.RIGHT, audit=True)
    say(floor, 91, Verdict.PASS, Judgement.MISSED, audit=True)
    floor.read()
    made = metrics(floor)
    assert value(made, "audited_parts") == 42
    assert value(made, "false_alarm_ratio", bound="observed") == 0.25
    assert value(made, "false_alarm_ratio", bound="lower") == 0.127
    assert value(made, "false_alarm_ratio", bound="upper") == 0.412
    assert value(made, "escape_ratio", bound="observed") == 0.5
    assert value(made, "certified_false_alarm_ratio") == floor.settings.console.audit.false_alarms
    assert value(made, "missed_defects") == 1


def test_of_what_nobody_knows_nothing_is_told(floor: Floor) -> None:
    floor.part(verdict=Verdict.DEFECT)
    say(floor, 1, Verdict.PASS, Judgement.RIGHT, audit=True)
    floor.read()
    made = metrics(floor)
    assert value(made, "false_alarm_ratio", bound="observed") == 0
    assert value(made, "escape_ratio", bound="observed") is None
    assert value(made, "missed_defects") is None


def test_a_missed_defect_is_told_for_a_day(floor: Floor) -> None:
    say(floor, 1, Verdict.PASS, Judgement.MISSED, audit=False)
    floor.read()
    assert value(metrics(floor), "missed_defects") == 1
    before = int((NOW - timedelta(hours=25)).timestamp() * 1000)
    with floor.database.write() as connection:
        connection.execute(update(words).values(reviewed_ms=before))
    assert value(metrics(floor), "missed_defects") is None
