"""In a real browser, when the broker is away, a login is over, or the console itself is gone."""

from collections.abc import Iterator
from typing import Any

import pytest
from floor import PASSWORD, Floor
from test_console_browser import (  # noqa: F401  fixtures
    Visit,
    chromium,
    judge,
    visit,
    words,
)

from schemas.outcome import Verdict
from tests.browser import barriers
from workers.console.app import make_app
from workers.console.history.writing import part_of
from workers.console.serving import Serving

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("chromium")]

PLACEHOLDER = 320  # pixels wide; pictures of these parts are small


@pytest.fixture
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Floor, str]]:
    floor = Floor(tmp_path_factory.mktemp("plant"), port=0)
    for number in range(3):
        floor.part("line-1", number, Verdict.DEFECT)
    floor.read()
    with Serving(make_app(floor.room), floor.settings.console) as serving:
        floor.serving = serving  # type: ignore[attr-defined]
        yield floor, serving.url
        floor.room.stopping.set()
    floor.database.close()


def test_a_word_that_cannot_be_said_is_told_and_what_was_typed_stays(
    visit: Visit,  # noqa: F811
    plant: tuple[Floor, str],
) -> None:
    floor, _ = plant
    page: Any = visit()
    page.goto("/review/defects")
    page.keyboard.press("n")
    page.keyboard.type("oil on the belt")
    page.keyboard.press("Escape")
    floor.broker.available = False
    page.keyboard.press("f")
    page.wait_for_selector("#told >> text=not now")
    assert page.locator("[name=note]").input_value() == "oil on the belt"
    assert barriers(page) == []
    floor.broker.available = True
    judge(page, "f")
    assert [review.note for review in words(floor)] == ["oil on the belt"]
    assert page.locator("#told").text_content() == ""


def test_a_login_that_ends_in_the_middle_of_a_judgement(
    visit: Visit,  # noqa: F811
    plant: tuple[Floor, str],
) -> None:
    floor, _ = plant
    page: Any = visit()
    page.goto("/review/defects")
    part = page.locator("article.case").get_attribute("data-part")
    with floor.database.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET until_ms = 1")
    page.keyboard.press("r")
    page.wait_for_selector("text=what you did last was not done")
    assert words(floor) == []
    page.fill("[name=name]", "olga")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/review/defects")
    assert page.locator("article.case").get_attribute("data-part") == part
    judge(page, "r")
    assert len(words(floor)) == 1


def test_a_wall_and_a_queue_say_that_the_console_is_gone(
    visit: Visit,  # noqa: F811
    plant: tuple[Floor, str],
) -> None:
    floor, _ = plant
    wall: Any = visit("vera", "wall", "dark")
    wall.goto("/live?wall=1")
    wall.wait_for_selector("text=As of")
    wall.wait_for_timeout(2500)  # renewed
    stale = wall.locator("[data-stale]")
    assert not stale.is_visible()
    queue: Any = visit()
    queue.goto("/review/defects")
    floor.room.stopping.set()
    floor.serving.__exit__(None, None, None)  # type: ignore[attr-defined]
    queue.keyboard.press("r")
    queue.wait_for_selector("#told >> text=the console does not answer")
    assert queue.locator("article.case").count() == 1
    stale.wait_for(state="visible")
    assert barriers(wall) == []


def test_an_empty_queue_shows_what_comes(
    visit: Visit,  # noqa: F811
    plant: tuple[Floor, str],
) -> None:
    floor, _ = plant
    page: Any = visit()
    page.goto("/review/near-misses")
    page.wait_for_selector("text=Nothing waits here")
    near = floor.part("line-2", 1, Verdict.NEAR_MISS)
    gone = near.record.model_copy(update={"offset": 999})
    lost = near.model_copy(update={"record": gone, "outcome_id": "9" * 32})
    floor.publish(floor.settings.topics.outcomes, lost)
    floor.read()
    page.wait_for_selector("article.case.near_miss")
    page.goto(f"/parts/{part_of(lost)}")
    page.wait_for_load_state("load")
    width = page.locator("img[alt=Frame]").evaluate("image => image.naturalWidth")
    assert width == PLACEHOLDER  # it says that the frame is not kept
    assert page.complaints == []
