"""The random sample: who is asked about which parts, and what is counted of all of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from floor import NOW, Floor
from sqlalchemy import select
from test_review import HTMX, judge, said, shown

from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review, Sample, name_of, subject_of
from stream_inspector.threshold.production.audit import draw
from workers.console.asking.sample import Sampling, asked
from workers.console.history import counting, tables
from workers.console.history.retention import tidy
from workers.console.history.writing import part_of
from workers.console.settings import AuditSettings

NOON = NOW.replace(hour=12, minute=0, second=0)
YESTERDAY = NOW - (NOON - timedelta(days=1))  # how long yesterday's noon is ago
QUEUE = "random-sample"


@pytest.fixture
def floor(tmp_path: Path) -> Any:
    made = Floor(tmp_path, audit=AuditSettings(within_h=47))
    yield made
    made.database.close()


def sampled(floor: Floor) -> set[str]:
    sampling = Sampling.of(floor.settings.console.audit)
    with floor.database.read() as connection:
        return set(asked(connection, sampling))


def drawn(outcomes: list[Outcome], count: int) -> set[str]:
    """As everybody draws them who reads the topic."""
    names = {name_of(subject_of(o.outcome_id, o.frame, o.record)): part_of(o) for o in outcomes}
    return {names[name] for name in draw(names, count)}


def yesterday(floor: Floor, count: int, verdict: Verdict = Verdict.PASS) -> list[Outcome]:
    return [floor.part("line-1", n, verdict, aged=YESTERDAY) for n in range(count)]


def test_the_sample_of_a_day_is_the_one_that_the_command_asks_for(floor: Floor) -> None:
    passes = yesterday(floor, 150)
    defects = [floor.part("line-2", n, Verdict.DEFECT, aged=YESTERDAY) for n in range(50)]
    nuts = [floor.part("line-3", n, category="nuts", aged=YESTERDAY) for n in range(30)]
    floor.reject("line-1", 500)
    floor.read()
    assert sampled(floor) == drawn(passes + defects, 9) | drawn(nuts, 9)
    floor.settings.console.audit.__dict__["days"] = 1
    assert len(sampled(floor)) == 59 + 30


def test_whatever_the_batches_the_lowest_lots_are_kept(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_DRAWN", 5)
    parts = yesterday(floor, 60)
    feed = floor.feeds[0]
    records = floor.broker.records(feed.topic)
    for start in (40, 0, 20, 0, 40):  # out of order, and twice
        feed.keep(records[start : start + 20])
    with floor.database.read() as connection:
        kept = {part for (part,) in connection.execute(select(tables.draws.c.part))}
    assert kept == drawn(parts, 5)


def test_a_day_that_goes_on_asks_for_what_the_day_before_would_have(floor: Floor) -> None:
    """Else the first parts of a day were all asked about."""
    yesterday(floor, 400)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=1)
    fresh = [floor.part("line-9", n, decided_at=today) for n in range(100)]
    floor.read()
    found = sampled(floor) & {part_of(each) for each in fresh}
    with floor.database.read() as connection:
        lots = dict(
            tuple(row)
            for row in connection.execute(select(tables.draws.c.part, tables.draws.c.lot))
        )
    bound = sorted(lots[part] for part in sampled(floor) - found)[8]
    assert found == {part_of(each) for each in fresh if lots.get(part_of(each), 1) <= bound}
    assert len(found) < 9


def test_a_word_on_a_part_of_the_sample_says_so(floor: Floor) -> None:
    floor.settings.console.audit.__dict__["days"] = 30  # two a day
    parts = yesterday(floor, 5)
    floor.read()
    client = floor.browser("olga")
    page = client.get(f"/review/{QUEUE}").text
    assert "Drawn by chance" in page
    part = shown(page)
    assert part in drawn(parts, 2)
    answer = judge(floor, client, part, "right", kind=QUEUE)
    answer = judge(floor, client, shown(answer.text), "missed", kind=QUEUE, defect="scratch")
    assert shown(answer.text) is None
    assert {(r.sample, r.judgement) for r in said(floor)} == {
        (Sample.AUDIT, Judgement.RIGHT),
        (Sample.AUDIT, Judgement.MISSED),
    }
    assert sampled(floor) == set()


def test_an_alarm_that_chance_drew_is_judged_as_such_once_more(floor: Floor) -> None:
    """Alarms are judged anyway: without this the sample had alarms and no passes, or none."""
    (defect,) = yesterday(floor, 1, Verdict.DEFECT)
    floor.read()
    client = floor.browser("olga")
    judge(floor, client, part_of(defect), "false-alarm")
    page = client.get(f"/review/{QUEUE}").text
    assert "judged false alarm by olga before it was drawn" in " ".join(page.split())
    judge(floor, client, shown(page), "false-alarm", kind=QUEUE)
    judge(floor, client, part_of(defect), "right", kind=QUEUE)  # a second click
    assert [review.sample for review in said(floor)] == [None, Sample.AUDIT]


def test_what_chance_did_not_draw_is_no_part_of_the_sample(floor: Floor) -> None:
    floor.settings.console.audit.__dict__["days"] = 59
    parts = yesterday(floor, counting.MOST_DRAWN + 1)
    floor.read()
    client = floor.browser("olga")
    (other,) = {part_of(each) for each in parts} - drawn(parts, counting.MOST_DRAWN)
    answer = judge(floor, client, other, "right", kind=QUEUE)
    assert "not of the random sample" in answer.text
    assert said(floor) == []


def test_near_misses_are_asked_about_because_of_their_score(floor: Floor) -> None:
    near = floor.part(sequence=1, verdict=Verdict.NEAR_MISS)
    floor.read()
    judge(floor, floor.browser("olga"), part_of(near), "right", kind="near-misses")
    assert [review.sample for review in said(floor)] == [Sample.INFORMATIVE]


def test_parts_whose_frames_are_gone_are_not_asked_about(tmp_path: Path) -> None:
    floor = Floor(tmp_path, audit=AuditSettings(within_h=1))
    old = floor.part("line-1", 1, aged=timedelta(hours=2))
    fresh = floor.part("line-1", 2)
    floor.read()
    assert sampled(floor) == {part_of(fresh)} != {part_of(old)}
    floor.database.close()


def tallied(floor: Floor) -> dict[str, float]:
    names = ("parts", "defects", "near_misses", "rejected", "scored", "score_sum", "score_max")
    with floor.database.read() as connection:
        rows = connection.execute(select(*(tables.tallies.c[name] for name in names))).all()
    assert all(row.score_max <= 9 for row in rows)
    return {name: sum(getattr(row, name) for row in rows) for name in names[:-1]}


def test_each_outcome_is_counted_once(floor: Floor) -> None:
    yesterday(floor, 6)
    floor.part("line-2", 1, Verdict.DEFECT, score=9.0)
    floor.part("line-2", 2, Verdict.NEAR_MISS, score=1e300)  # nobody's score
    floor.reject("line-1", 100)
    floor.part("line-4", 1, run="again")
    feed = floor.feeds[0]
    records = floor.broker.records(feed.topic)
    feed.keep(records[:4] + records[:2])
    floor.read()
    feed.keep(records)
    assert tallied(floor) == dict(  # noqa: C408
        parts=9, defects=1, near_misses=1, rejected=1, scored=7, score_sum=6 * 0.5 + 9.0
    )


def test_counts_and_lots_go_with_their_rows(floor: Floor) -> None:
    floor.part("line-1", 1, aged=timedelta(days=40))
    floor.part("line-1", 2)
    floor.read()
    tidy(floor.database, keep_days=30, keep_rows=1000)
    with floor.database.read() as connection:
        counts = [len(connection.execute(select(t)).all()) for t in (tables.draws, tables.tallies)]
    assert counts == [1, 1]


def test_a_word_from_the_topic_takes_a_part_out_of_the_sample(floor: Floor) -> None:
    (one,) = yesterday(floor, 1)
    word = Review.of(one, Judgement.RIGHT, by="someone", at=NOW, sample=Sample.AUDIT)
    floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    client = floor.browser("olga")
    assert shown(client.get(f"/review/{QUEUE}", headers=HTMX).text) is None
