"""Search finds parts by what is known of them; what leaves as a file is bounded and harmless."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from floor import NOW, Floor, png

from schemas.outcome import Verdict
from schemas.review import Judgement, Review
from workers.console.history.writing import part_of


@pytest.fixture
def filled(floor: Floor) -> Floor:
    """Five parts of two cameras and two categories; one is judged."""
    floor.part("line-1", 1)
    floor.part("line-1", 2, Verdict.NEAR_MISS, score=0.9)
    judged = floor.part("line-2", 3, Verdict.DEFECT, score=1.5)
    floor.part("line-2", 4, category="nuts")
    floor.reject("line-2", 5)
    word = Review.of(judged, Judgement.FALSE_ALARM, by="olga", at=NOW, note="=1+1")
    floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    return floor


def found(floor: Floor, **query: str) -> list[str]:
    """Frame ids, as the CSV has them."""
    answer = floor.browser("vera").get("/search.csv", params=query)
    assert answer.status_code == 200, answer.text
    return [row["frame_id"] for row in csv.DictReader(io.StringIO(answer.text))]


@pytest.mark.parametrize(
    ("query", "frames"),
    [
        ({}, ["line-2-5", "line-2-4", "line-2-3", "line-1-2", "line-1-1"]),
        ({"camera": "line-1"}, ["line-1-2", "line-1-1"]),
        ({"category": "nuts"}, ["line-2-4"]),
        ({"verdict": "rejected"}, ["line-2-5"]),
        ({"judgement": "false-alarm"}, ["line-2-3"]),
        ({"judgement": "none", "camera": "line-2"}, ["line-2-5", "line-2-4"]),
        ({"score": "0.9"}, ["line-2-3", "line-1-2"]),
        ({"part": "line-1-2"}, ["line-1-2"]),
        ({"part": "line-1"}, []),
        ({"camera": "' OR 1=1 --"}, []),
    ],
)
def test_filters_hold_together(filled: Floor, query: dict[str, str], frames: list[str]) -> None:
    assert found(filled, **query) == frames


def test_times_bound_what_is_found(filled: Floor) -> None:
    middle = (NOW - timedelta(seconds=57, milliseconds=500)).isoformat().replace("+00:00", "")
    assert found(filled, since=middle) == ["line-2-5", "line-2-4", "line-2-3"]
    assert found(filled, until=middle) == ["line-1-2", "line-1-1"]


def test_the_beginning_of_an_outcome_id_names_it(filled: Floor) -> None:
    with filled.database.read() as connection:
        outcome = connection.exec_driver_sql(
            "SELECT outcome_id FROM outcomes WHERE frame_id = 'line-2-4'"
        ).scalar_one()
    assert found(filled, part=outcome[:12]) == ["line-2-4"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "yesterday"}, "is no time"),
        ({"since": "0001-01-01T00:00+14:00"}, ""),
        ({"score": "many"}, "is no number"),
        ({"verdict": "<b>"}, "is none of"),
    ],
)
def test_what_is_not_understood_is_told(filled: Floor, query: dict[str, str], said: str) -> None:
    page = filled.browser("vera").get("/search", params=query)
    assert page.status_code == 200
    assert said in page.text
    assert "<b>" not in page.text


def test_pages_of_results_miss_and_repeat_nothing(floor: Floor) -> None:
    for number in range(120):
        floor.part(f"line-{number % 7}", number)
    floor.read()
    client, address, seen = floor.browser("vera"), "/search", []
    while address:
        page = client.get(address).text
        seen += [row.partition('"')[0] for row in page.split('<td><a href="/parts/')[1:]]
        address = page.partition('<a href="/search?')[2].partition('"')[0].replace("&amp;", "&")
        address = f"/search?{address}" if address else ""
    assert len(seen) == len(set(seen)) == 120


def test_an_address_of_nonsense_is_no_error(filled: Floor) -> None:
    client = filled.browser("vera")
    for before in ("x", "-1.a", "9" * 40 + ".b", "1"):
        assert client.get("/search", params={"before": before}).status_code == 200


def test_a_spreadsheet_takes_no_text_for_a_formula(filled: Floor) -> None:
    text = filled.browser("vera").get("/search.csv").text
    assert "'=1+1" in text
    assert ",=1+1" not in text


def test_a_case_is_a_zip_of_what_is_known(filled: Floor) -> None:
    outcome = filled.part("../../line", 9, Verdict.DEFECT, data=png(77))
    filled.read()
    client = filled.browser("vera")
    answer = client.get(f"/parts/{part_of(outcome)}/case.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as case:
        names = case.namelist()
        told: dict[str, Any] = json.loads(case.read("case.json"))
        assert case.read("frame.png") == png(77)
    assert names == ["case.json", "frame.png", "heatmap.png", "outline.png", "counterpart.png"]
    assert told["outcome"]["camera"] == "../../line"
    assert told["defect"]["regions"]
    assert ".." not in answer.headers["content-disposition"]
    assert client.get("/parts/none/case.zip").status_code == 404


def test_forms_offer_the_names_that_are_known(floor: Floor) -> None:
    floor.part("Linie/S\u00fcd <1>", 1, category="gr\u00f6\u00dfe 2")
    floor.read()
    client = floor.browser("olga")
    for path in ("/search", "/report", "/lines"):
        page = client.get(path).text
        assert '<option value="Linie/S\u00fcd &lt;1&gt;">' in page
        assert '<option value="gr\u00f6\u00dfe 2">' in page
    found = client.get("/search", params={"camera": "Linie/S\u00fcd <1>"}).text
    assert "Linie/S\u00fcd &lt;1&gt;-1" in found
