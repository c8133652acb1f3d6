"""From a false alarm to a recalibrated, activated version: in a real browser, by five clicks."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from floor import Floor
from test_console_browser import (  # noqa: F401  fixtures
    MOST_BYTES,
    SIZE,
    Visit,
    chromium,
    visit,
)
from test_thresholds_page import put, say, scored

from schemas.review import Judgement, Sample
from stream_inspector.model.version import ModelFiles, load_model
from stream_inspector.verdict import Grade
from tests.browser import barriers
from workers.console.app import make_app
from workers.console.serving import Serving

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("chromium")]

MOST_S, MOST_CLICKS = 120, 5
COUNT = """addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
}, true)"""


@pytest.fixture
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Floor, str]]:
    floor = Floor(tmp_path_factory.mktemp("plant"), port=0)
    put(floor)
    for number in range(30):
        part = scored(floor, number, 0.2 + number / 50)
        say(floor, part, Judgement.RIGHT, sample=Sample.AUDIT)
    scored(floor, 40, 0.98)
    floor.read()
    with Serving(make_app(floor.room), floor.settings.console) as serving:
        yield floor, serving.url
        floor.room.stopping.set()
    floor.database.close()


def test_a_false_alarm_leads_to_an_active_version_in_five_clicks(
    visit: Visit,  # noqa: F811
    plant: tuple[Floor, str],
) -> None:
    floor, _ = plant
    page: Any = visit("emil")
    page.goto("/review/defects")
    page.add_init_script(COUNT)
    page.evaluate(COUNT)
    begun = time.monotonic()
    page.get_by_role("button", name="False alarm").click()
    page.get_by_role("link", name="Thresholds of bolts").click()
    page.wait_for_selector("text=instead of 0.960")
    page.locator("[name=false_alarms][type=range]").click(position={"x": 2, "y": 8})
    page.wait_for_selector("text=threshold 1.000 instead of 0.960")
    assert page.locator("h2", has_text="Would alarm no more").count() == 1
    page.locator("[name=why]").click()
    page.keyboard.type("oil on the belt")
    page.get_by_role("button", name="Calibrate and activate").click()
    page.wait_for_selector("text=done: version")
    took_s, clicks = time.monotonic() - begun, int(page.evaluate("sessionStorage.clicks"))
    last = floor.room.versions.store.last("bolts")
    assert last is not None
    assert (last.number, last.by, last.why) == (2, "emil", "oil on the belt")
    made = load_model(ModelFiles(*floor.room.versions.store.fetch(last.version)))
    assert made.calibrations["bolts"].grade(0.98) is not Grade.DEFECT  # it alarms no more
    assert made.provenance["bolts/reviews"] == 30
    assert clicks == MOST_CLICKS
    assert took_s < MOST_S
    assert page.complaints == []


@pytest.mark.parametrize(("screen", "scheme"), [("phone", "dark"), ("wall", "light")])
def test_the_page_is_accessible_small_and_fits_the_screen(
    visit: Visit,  # noqa: F811
    screen: str,
    scheme: str,
) -> None:
    page: Any = visit("emil", screen, scheme)
    page.goto("/thresholds/bolts?false_alarms=20&escapes=5")
    page.wait_for_load_state("load")
    assert 1000 < page.evaluate(SIZE) < MOST_BYTES
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.complaints == []
