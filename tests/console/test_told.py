"""What somebody reads when nothing was done, and the way back to the page that they had."""

import html

import pytest
from floor import PASSWORD, Floor
from starlette.testclient import TestClient

from schemas.outcome import Verdict
from workers.console.asking import queue
from workers.console.history.writing import part_of
from workers.console.pages.told import own_page

HTMX = {"HX-Request": "true", "Referer": "http://testserver/review/defects"}


def end_sessions(floor: Floor) -> None:
    with floor.database.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET until_ms = 1")


def log_in(client: TestClient, address: str) -> str:
    """By the form at an address; where it leads to."""
    page = client.get(address).text
    back = page.partition('name="next" value="')[2].partition('"')[0]
    form = {"name": "olga", "password": PASSWORD, "next": html.unescape(back)}
    return client.post("/login", data=form).headers["location"]


def test_a_login_leads_to_the_page_that_was_asked_for(floor: Floor) -> None:
    client = floor.browser(None)
    address = client.get("/search?camera=line-1&verdict=defect").headers["location"]
    assert "was not done" not in client.get(address).text
    assert log_in(client, address) == "/search?camera=line-1&verdict=defect"


def test_a_judgement_after_the_session_is_told_to_be_lost_and_said_again(floor: Floor) -> None:
    outcome = floor.part(sequence=1, verdict=Verdict.DEFECT)
    floor.read()
    client = floor.browser("olga")
    form = {"part": part_of(outcome), "judgement": "right", "token": floor.token(client)}
    client.get("/review/defects")
    end_sessions(floor)
    answer = client.post("/review/defects", data=form, headers=HTMX)
    assert answer.status_code == 401
    address = answer.headers["hx-redirect"]
    assert "what you did last was not done" in client.get(address).text
    assert log_in(client, address) == "/review/defects"
    assert part_of(outcome) in client.get("/review/defects").text
    assert floor.broker.records(floor.settings.topics.reviews) == []


def test_a_form_after_the_session_leads_to_its_page(floor: Floor) -> None:
    client = floor.browser("olga")
    form = {"camera": "line-1", "minutes": "5", "why": "x", "token": floor.token(client)}
    end_sessions(floor)
    came = {"Referer": "http://testserver/lines"}
    answer = client.post("/lines/stops", data=form, headers=came)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Flines&lost=1")


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"),
        *("", "live", "/li\nve", "/login?next=/login", "/logout", "/" + "x" * 3000),
    ],
)
def test_nobody_is_led_elsewhere(floor: Floor, address: str) -> None:
    assert own_page(address) == "/"
    form = {"name": "olga", "password": PASSWORD, "next": address}
    assert floor.browser(None).post("/login", data=form).headers["location"] == "/"


def test_a_form_of_another_site_is_no_page_to_go_back_to(floor: Floor) -> None:
    came = {"Referer": "https://evil.example/lines"}
    answer = floor.browser(None).post("/lines/stops", data={}, headers=came)
    assert answer.headers["location"] == "/login?next=%2F&lost=1"


def test_an_act_that_cannot_be_is_told_on_a_page_that_leads_back(floor: Floor) -> None:
    client = floor.browser("olga")
    form = {"camera": "line-1", "minutes": "5", "why": "x", "token": floor.token(client)}
    floor.broker.available = False
    came = {"Referer": "http://testserver/lines"}
    answer = client.post("/lines/stops", data=form, headers=came)
    assert answer.status_code == 503
    assert "Not done" in answer.text
    assert 'href="/lines"' in answer.text


def test_what_is_told_in_place_is_text(floor: Floor) -> None:
    client = floor.browser("olga")
    form = {"part": "x", "judgement": "later", "token": "<img src=x>"}
    answer = client.post("/review/defects", data=form, headers=HTMX)
    assert answer.status_code == 403
    assert answer.headers["hx-retarget"] == "#told"
    outcome = floor.part(sequence=1, verdict=Verdict.DEFECT)
    floor.read()
    form = {"part": part_of(outcome), "judgement": "<b>", "token": floor.token(client)}
    answer = client.post("/review/defects", data=form, headers=HTMX)
    assert (answer.status_code, "<b>" in answer.text) == (422, False)


def test_an_address_without_a_page_has_a_menu(floor: Floor) -> None:
    answer = floor.browser("vera").get("/thresholds/gr\u00f6\u00dfe/1")
    assert answer.status_code == 404
    assert 'href="/live"' in answer.text
    assert floor.browser(None).get("/nothing").status_code == 303


def test_a_fault_of_a_page_is_told_in_place(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    client = floor.browser("olga")
    monkeypatch.setattr(queue, "set_aside", broken)
    form = {"part": "x", "judgement": "later", "token": floor.token(client)}
    answer = client.post("/review/defects", data=form, headers=HTMX)
    assert (answer.status_code, answer.headers["hx-retarget"]) == (500, "#told")
    assert "a fault of the console" in answer.text
