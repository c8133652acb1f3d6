"""The category page: scores, shares and drift over time, what people said, and pictures."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from floor import NOW, Floor

from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review, Sample
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from workers.console.history.writing import part_of

VERSION = "1" * 16


def calibrated(seed: int = 0) -> Calibration:
    """From 100 good images whose scores lie between 0 and 1."""
    scores = np.random.default_rng(seed).uniform(0, 1, 100)
    maps = np.repeat(scores[:, None, None], 4, axis=1).astype(np.float32)
    return calibrate(maps, scores, Budget())


def push(floor: Floor, calibration: Calibration, version: str = VERSION) -> None:
    said = {"version": version, "calibrations": {"bolts": calibration.to_dict()}}
    floor.room.calibrations._store.push(["bolts"], version, json.dumps(said).encode(), b"x")


def review(floor: Floor, outcome: Outcome, judgement: Judgement, **more: Any) -> None:
    word = Review.of(outcome, judgement, by="olga", at=NOW, **more)
    floor.publish(floor.settings.topics.reviews, word)


def shown(floor: Floor, name: str = "bolts", **query: str) -> str:
    answer = floor.browser("vera").get("/category", params={"name": name, **query})
    assert answer.status_code == 200, answer.text
    return answer.text


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def charts(page: str) -> list[dict[str, Any]]:
    return [json.loads(html.unescape(each)) for each in re.findall(r'data-chart="([^"]+)"', page)]


def tiles(page: str, heading: str) -> list[str]:
    part = page.partition(f"{heading}</h")[2].partition("<h2")[0]
    return re.findall(r"/pictures/frame/([0-9a-f-]+)", part)


def test_all_categories_are_listed_with_their_parts(floor: Floor) -> None:
    for number in range(5):
        floor.part(sequence=number)
    floor.part(sequence=9, verdict=Verdict.DEFECT, category="nuts & <b>")
    floor.part(sequence=10, category="nuts & <b>", aged=timedelta(days=3))
    floor.read()
    page = floor.browser("vera").get("/category").text
    assert "bolts 5 0 5 0" in words(page)
    assert "nuts & <b> 1 1 2 1" in words(page)
    address = html.unescape(page.partition('href="/category?name=nuts')[2].partition('"')[0])
    assert floor.browser("vera").get(f"/category?name=nuts{address}").status_code == 200


def test_scores_and_shares_are_those_of_their_time(floor: Floor) -> None:
    for score in (0.2, 0.4):
        floor.part(score=score, sequence=int(score * 10), aged=timedelta(hours=5))
    floor.part(sequence=9, verdict=Verdict.DEFECT, score=3.0, aged=timedelta(hours=5))
    floor.part(sequence=10, score=0.1)
    floor.part(sequence=11, score=0.1, aged=timedelta(days=3))
    floor.reject(sequence=12)
    floor.read()
    page = shown(floor)
    scores, shares = charts(page)
    assert [line["name"] for line in scores["lines"]] == ["Threshold", "Highest", "Mean"]
    assert [line["values"][0] for line in scores["lines"]] == [1.0, 3.0, 1.2]
    assert shares["lines"][0]["values"][0] == 33.33
    assert len(scores["times"]) in (2, 3)
    assert "5, of these 0 near misses, 1 not inspected" in words(page)
    assert "1: 25.0 % (0.6 % to 80.6 %)" in words(page)
    assert "6, of these 0" in words(shown(floor, period="week"))
    assert "5, of these 0" in words(shown(floor, period="nonsense"))


def test_only_the_random_sample_says_something_of_all_parts(floor: Floor) -> None:
    push(floor, calibrated())
    same: dict[str, Any] = {"calibration_id": "new", "model_version": VERSION}
    for number in range(40):
        part = floor.part(sequence=number, **same)
        review(floor, part, Judgement.RIGHT, sample=Sample.AUDIT)
    for number in range(40, 50):
        alarm = floor.part(sequence=number, verdict=Verdict.DEFECT, **same)
        review(floor, alarm, Judgement.FALSE_ALARM)  # somebody wanted to say it
    for number in range(50, 60):
        old = floor.part(sequence=number, calibration_id="old", aged=timedelta(hours=1))
        review(floor, old, Judgement.RIGHT, sample=Sample.AUDIT)
    alarm = floor.part(sequence=60, verdict=Verdict.DEFECT, **same)
    review(floor, alarm, Judgement.FALSE_ALARM, sample=Sample.AUDIT)
    missed = floor.part(sequence=61, **same)
    review(floor, missed, Judgement.MISSED, sample=Sample.AUDIT)
    floor.read()
    page = words(shown(floor))
    assert "2.0 % (0.0 % to 10.4 %) of good parts, from 52 of the random sample" in page
    assert "100.0 % (2.5 % to 100.0 %) of defective parts pass" in page
    assert "41 good parts of this calibration are reviewed" in page
    assert "needs 59: 18 more , 9 a day are asked for" in page
    assert "say 2.4 % (0.1 % to 12.9 %): open" in page
    more = int(page.partition(" more reviewed good parts without an alarm")[0].rpartition(" ")[2])
    assert more > 0


def test_without_reviews_nothing_is_claimed(floor: Floor) -> None:
    floor.part()
    floor.read()
    page = words(shown(floor))
    assert "False alarms, by reviews not known yet" in page
    assert "needs 59: 59 more" in page
    assert "Drift Not known" in page


@pytest.mark.parametrize(("lift", "says"), [(0.0, "like the good images"), (0.8, "have changed")])
def test_drift_is_told_beside_the_good_images_of_the_version(
    floor: Floor, lift: float, says: str
) -> None:
    calibration = calibrated()
    push(floor, calibration)
    rng = np.random.default_rng(1)
    for number in range(120):
        fresh = number >= 60
        score = float(rng.uniform(0, 1)) + (lift if fresh else 0)
        floor.part(
            "line-1",
            number,
            score=score,
            model_version=VERSION,
            aged=timedelta(hours=0 if fresh else 7),
        )
    floor.part("line-2", 500, score=99.0, model_version="another")  # whose scores differ
    floor.read()
    page = shown(floor)
    assert says in words(page)
    drift = charts(page)[2]
    first, last = (drift["lines"][0]["values"][at] for at in (0, -1))
    assert 30 < first < 70
    assert (last > 75) == bool(lift)
    assert drift["most"] == 100


def test_the_nearest_good_parts_come_nearest_first(floor: Floor) -> None:
    near = {
        score: floor.part(sequence=int(score * 100), verdict=Verdict.NEAR_MISS, score=score)
        for score in (0.91, 0.99, 0.95, 0.97)
    }
    review(floor, near[0.97], Judgement.MISSED)
    best = floor.part(sequence=200, score=0.8)
    floor.part(sequence=201, score=0.99, run="again")
    floor.part(sequence=202, score=0.3, category="nuts")
    floor.part(sequence=203, verdict=Verdict.DEFECT)
    floor.read()
    found = tiles(shown(floor), "nearest to the threshold")
    wanted = [near[0.99], near[0.95], near[0.91], best]
    assert found == [part_of(each) for each in wanted]


def test_pictures_come_by_kind_and_reason(floor: Floor) -> None:
    scratches = [floor.part(sequence=n, verdict=Verdict.DEFECT) for n in range(8)]
    for each in scratches:
        review(floor, each, Judgement.RIGHT, kind="scratch")
    missed = floor.part(sequence=20)
    review(floor, missed, Judgement.MISSED)
    oil = floor.part(sequence=30, verdict=Verdict.DEFECT)
    review(floor, oil, Judgement.FALSE_ALARM)
    other = floor.part(sequence=31, verdict=Verdict.DEFECT, category="nuts")
    review(floor, other, Judgement.RIGHT, kind="burr")
    junk = floor.reject(sequence=40)
    floor.read()
    page = shown(floor)
    assert len(tiles(page, "scratch: 8")) >= 6
    assert part_of(missed) in tiles(page, "of no stated kind: 1")
    assert tiles(page, "false alarm: 1") == [part_of(oil)]
    assert tiles(page, "undecodable: 1") == [part_of(junk)]
    assert "burr" not in page


def test_a_store_that_is_away_leaves_the_rest(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.runtime.errors import StoreUnavailable

    def away(*_: object) -> None:
        raise StoreUnavailable("s3://plant: no route")

    floor.part(sequence=1, model_version=VERSION)
    floor.read()
    monkeypatch.setattr(floor.room.calibrations._store, "manifest", away)
    page = words(shown(floor))
    assert "The model store is not read" in page and "no route" in page
    assert "1, of these 0 near misses" in page


@pytest.mark.parametrize(
    "manifest",
    [b"{", b"[]", b'{"calibrations": {"bolts": {"id": "x"}}}', b'{"calibrations": []}'],
)
def test_a_manifest_that_nobody_can_read_is_no_error(floor: Floor, manifest: bytes) -> None:
    floor.room.calibrations._store.push(["bolts"], VERSION, manifest, b"x")
    floor.part(sequence=1, model_version=VERSION)
    floor.read()
    assert "Drift Not known" in words(shown(floor))
