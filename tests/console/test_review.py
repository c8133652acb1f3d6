"""The review page: judged once, by one person, on the topic and in the history."""

import re
from typing import Any

import pytest
from floor import NOW, Floor, png, users
from starlette.testclient import TestClient

from schemas.defect import Evidence
from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review, Sample
from workers.console.history.writing import part_of
from workers.console.settings import AccessSettings

HTMX = {"HX-Request": "true"}


def shown(page: str) -> str | None:
    found = re.search(r'data-part="([^"]+)"', page)
    return found[1] if found else None


def said(floor: Floor) -> list[Review]:
    records = floor.broker.records(floor.settings.topics.reviews)
    return [Review.decode(each.headers, each.value) for each in records]


def judge(floor: Floor, client: TestClient, part: str | None, judgement: str, **more: Any) -> Any:
    kind = more.pop("kind", "defects")
    data = {"part": part or "", "judgement": judgement, "token": floor.token(client), **more}
    return client.post(f"/review/{kind}", data=data, headers=HTMX)


def defects(floor: Floor, count: int) -> list[Outcome]:
    made = [floor.part(sequence=number, verdict=Verdict.DEFECT) for number in range(count)]
    floor.read()
    return made


def test_a_word_is_an_event_and_the_next_part_follows(floor: Floor) -> None:
    first, second = defects(floor, 2)
    client = floor.browser("olga")
    page = client.get("/review/defects").text
    assert shown(page) == part_of(second)
    assert 'name="judgement" value="false-alarm"' in page
    answer = judge(floor, client, shown(page), "false-alarm", note=" oil <b> ", defect="drop")
    assert shown(answer.text) == part_of(first)
    assert "<html" not in answer.text
    (review,) = said(floor)
    assert (review.by, review.judgement, review.note, review.kind) == (
        "olga",
        Judgement.FALSE_ALARM,
        "oil <b>",
        "drop",
    )
    same = Review.of(second, Judgement.RIGHT, by="x", at=review.reviewed_at)
    assert review.subject == same.subject
    assert next(act.act for act in floor.room.trail.newest()) == "review"


def test_the_topics_own_copy_of_a_word_changes_nothing(floor: Floor) -> None:
    (outcome,) = defects(floor, 1)
    client = floor.browser("olga")
    judge(floor, client, shown(client.get("/review/defects").text), "right")
    floor.read()
    page = client.get(f"/parts/{part_of(outcome)}").text
    assert "right by olga" in " ".join(page.split())
    assert "Nothing waits here" in client.get("/review/defects").text


def test_two_operators_never_have_the_same_part(floor: Floor) -> None:
    floor.settings.console.access.users["otto"] = users()["olga"]
    defects(floor, 3)
    olga, otto = floor.browser("olga"), floor.browser("otto")
    hers, his = (shown(each.get("/review/defects").text) for each in (olga, otto))
    assert hers != his
    assert shown(olga.get("/review/defects").text) == hers  # loaded again
    answer = judge(floor, otto, hers, "right")
    assert "That part is with olga: not judged" in answer.text
    assert said(floor) == []


def test_a_part_that_was_judged_is_not_judged_again(floor: Floor) -> None:
    defects(floor, 2)
    client = floor.browser("olga")
    part = shown(client.get("/review/defects").text)
    judge(floor, client, part, "right")
    judge(floor, client, part, "false-alarm")  # a second click
    assert len(said(floor)) == 1


def test_a_lease_that_is_over_frees_the_part(floor: Floor) -> None:
    floor.settings.console.access.users["otto"] = users()["olga"]
    defects(floor, 1)
    olga, otto = floor.browser("olga"), floor.browser("otto")
    part = shown(olga.get("/review/defects").text)
    assert "Nothing waits here" not in olga.get("/review/defects").text
    assert shown(otto.get("/review/defects").text) is None
    with floor.database.write() as connection:
        connection.exec_driver_sql("UPDATE leases SET until_ms = 1")
    assert shown(otto.get("/review/defects").text) == part


def test_later_leaves_a_part_for_a_while(floor: Floor) -> None:
    first, _ = defects(floor, 2)
    client = floor.browser("olga")
    answer = judge(floor, client, shown(client.get("/review/defects").text), "later")
    assert shown(answer.text) == part_of(first)
    assert said(floor) == []
    answer = judge(floor, client, part_of(first), "right")
    assert "Nothing waits here" in answer.text


@pytest.mark.parametrize(
    ("kind", "judgement", "status"),
    [
        ("near-misses", "missed", 200),
        ("near-misses", "false-alarm", 422),
        ("not-inspected", "missed", 200),
        ("not-inspected", "unsure", 200),
        ("defects", "missed", 422),
        ("defects", "nonsense", 422),
        ("nothing", "right", 404),
    ],
)
def test_only_what_fits_the_verdict_can_be_said(
    floor: Floor, kind: str, judgement: str, status: int
) -> None:
    parts = {
        "near-misses": floor.part(sequence=1, verdict=Verdict.NEAR_MISS),
        "not-inspected": floor.reject(sequence=2),
        "defects": floor.part(sequence=3, verdict=Verdict.DEFECT),
    }
    floor.read()
    part = part_of(parts.get(kind, parts["defects"]))
    client = floor.browser("olga")
    assert judge(floor, client, part, judgement, kind=kind).status_code == status
    assert len(said(floor)) == (status == 200)


def test_a_viewer_may_not_judge(floor: Floor) -> None:
    (outcome,) = defects(floor, 1)
    client = floor.browser("vera")
    page = client.get("/review/defects").text
    assert shown(page) is None
    assert "needs the role operator" in page
    assert judge(floor, client, part_of(outcome), "right").status_code == 403
    assert said(floor) == []


def test_nobody_judges_without_a_login_even_where_one_may_look(tmp_path: Any) -> None:
    floor = Floor(tmp_path, access=AccessSettings(read_without_login=True))
    (outcome,) = defects(floor, 1)
    client = floor.browser(None)
    answer = judge(floor, client, part_of(outcome), "right")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2F&lost=1")
    assert said(floor) == []


def test_a_broker_that_is_away_loses_no_word_in_silence(floor: Floor) -> None:
    (outcome,) = defects(floor, 1)
    client = floor.browser("olga")
    part, token = shown(client.get("/review/defects").text), floor.token(client)
    floor.broker.available = False
    data = {"part": part or "", "judgement": "right", "token": token}
    answer = client.post("/review/defects", data=data, headers=HTMX)
    assert answer.status_code == 503
    assert answer.headers["hx-retarget"] == "#told"  # what was typed stays where it is
    floor.broker.available = True
    assert shown(client.get("/review/defects").text) == part_of(outcome)


def test_the_queue_shows_pictures_regions_and_those_that_come_next(floor: Floor) -> None:
    first, second = defects(floor, 2)
    page = floor.browser("olga").get("/review/defects").text
    for kind in ("frame", "heatmap", "outline", "counterpart"):
        assert f"/pictures/{kind}/{part_of(second)}" in page
        assert f"/pictures/{kind}/{part_of(first)}" in page
    assert '<polygon points="1,1 5,1 5,5 1,5 "/>' in page
    assert "data-slider" in page


def test_what_was_replayed_or_names_no_frame_is_not_asked_about(floor: Floor) -> None:
    replayed = floor.part(sequence=1).model_copy(
        update={"run": "r1", "verdict": Verdict.DEFECT, "outcome_id": "1" * 32}
    )
    nameless = floor.reject(sequence=2).model_copy(update={"frame": None, "outcome_id": "2" * 32})
    for each in (replayed, nameless):
        floor.publish(floor.settings.topics.outcomes, each)
    floor.read()
    client = floor.browser("olga")
    assert "Nothing waits here" in client.get("/review/defects").text
    assert shown(client.get("/review/not-inspected").text) not in (None, part_of(nameless))


def test_without_htmx_the_page_comes_again(floor: Floor) -> None:
    defects(floor, 1)
    client = floor.browser("olga")
    part = shown(client.get("/review/defects").text)
    data = {"part": part or "", "judgement": "unsure", "token": floor.token(client)}
    answer = client.post("/review/defects", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/review/defects")
    assert len(said(floor)) == 1


def say_of(floor: Floor, client: TestClient, outcome: Outcome, judgement: str, **more: str) -> Any:
    data = {"judgement": judgement, "token": floor.token(client), **more}
    return client.post(f"/parts/{part_of(outcome)}", data=data)


def test_a_slip_is_corrected_on_the_page_of_the_part(floor: Floor) -> None:
    (outcome,) = defects(floor, 1)
    client = floor.browser("olga")
    answer = judge(floor, client, part_of(outcome), "false-alarm", note="oil")
    assert f'href="/parts/{part_of(outcome)}">Correct it' in answer.text
    page = client.get(f"/parts/{part_of(outcome)}").text
    assert 'value="oil"' in page
    assert say_of(floor, client, outcome, "right", note="no oil").status_code == 303
    assert [review.judgement.value for review in said(floor)] == ["false-alarm", "right"]
    floor.read()
    page = " ".join(client.get(f"/parts/{part_of(outcome)}").text.split())
    assert "right by olga" in page
    assert "no oil" in page


def test_a_pass_that_was_a_defect_is_said_on_its_page(floor: Floor) -> None:
    outcome = floor.part(sequence=1)
    floor.read()
    client = floor.browser("olga")
    assert "Missed: a defect" in client.get(f"/parts/{part_of(outcome)}").text
    assert say_of(floor, client, outcome, "missed", defect="scratch").status_code == 303
    (review,) = said(floor)
    assert (review.judgement, review.kind, review.sample) == (Judgement.MISSED, "scratch", None)
    assert say_of(floor, client, outcome, "false-alarm").status_code == 422


def test_a_correction_leaves_the_random_sample_as_it_was_drawn(floor: Floor) -> None:
    outcome = floor.part(sequence=1)
    word = Review.of(outcome, Judgement.RIGHT, by="otto", at=NOW, sample=Sample.AUDIT)
    floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    say_of(floor, floor.browser("olga"), outcome, "missed")
    assert [review.sample for review in said(floor)] == [Sample.AUDIT] * 2


def test_who_may_not_judge_says_nothing_on_the_page_of_a_part(floor: Floor) -> None:
    outcome = floor.part(sequence=1)
    replayed = outcome.model_copy(update={"run": "r1", "outcome_id": "1" * 32})
    floor.publish(floor.settings.topics.outcomes, replayed)
    floor.read()
    vera, olga = floor.browser("vera"), floor.browser("olga")
    assert "Say what it is" not in vera.get(f"/parts/{part_of(outcome)}").text
    assert say_of(floor, vera, outcome, "missed").status_code == 403
    assert "Say what it is" not in olga.get(f"/parts/{part_of(replayed)}").text
    assert say_of(floor, olga, replayed, "missed").status_code == 404
    assert said(floor) == []


def test_an_empty_queue_asks_again_by_itself(floor: Floor) -> None:
    client = floor.browser("olga")
    page = client.get("/review/defects").text
    assert 'hx-get="/review/defects"' in page
    (outcome,) = defects(floor, 1)
    piece = client.get("/review/defects", headers=HTMX).text
    assert shown(piece) == part_of(outcome)
    assert "<html" not in piece


def test_pictures_that_are_still_made_are_told_as_such(floor: Floor) -> None:
    outcome = floor.part(sequence=1, verdict=Verdict.DEFECT)
    later = outcome.model_copy(update={"outcome_id": "5" * 32})
    notes = {"evidence": "made apart: see the topic explanations"}
    event = floor.defect(later, png(1), evidence=Evidence(notes=notes))
    floor.publish(floor.settings.topics.outcomes, later)
    floor.publish(floor.settings.topics.defects, event)
    floor.read()
    page = floor.browser("olga").get(f"/parts/{part_of(later)}").text
    assert "not here yet: load the page again" in page
    assert "explanations" not in page


@pytest.mark.parametrize("note", ["x" * 3000, "\U0001f600" * 1000, "\u00fc\x00\u202e" * 300])
def test_a_long_note_is_cut_and_said(floor: Floor, note: str) -> None:
    (outcome,) = defects(floor, 1)
    client = floor.browser("olga")
    assert judge(floor, client, part_of(outcome), "right", note=note).status_code == 200
    assert said(floor)[0].note == note[:1000]
    floor.read()
    assert "\u202e" not in client.get(f"/parts/{part_of(outcome)}").text


def test_two_tabs_of_one_operator_say_one_word(floor: Floor) -> None:
    first, second = defects(floor, 2)
    client = floor.browser("olga")
    tabs = [shown(client.get("/review/defects").text) for _ in range(2)]
    assert tabs == [part_of(second)] * 2
    judge(floor, client, tabs[0], "right")
    answer = judge(floor, client, tabs[1], "false-alarm")
    assert "judged by olga: not judged again" in answer.text
    assert shown(answer.text) == part_of(first)
    assert [review.judgement for review in said(floor)] == [Judgement.RIGHT]
