"""The pages in a real browser: keys, sizes of screens, light and dark, help for who cannot see.

Chromium is the system's (`apt-get install chromium`); nothing is skipped where it is missing.
"""

import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from floor import PASSWORD, Floor, users
from playwright.sync_api import Browser, Page

from schemas.outcome import Verdict
from schemas.review import Review
from tests.browser import barriers, launched
from workers.console.app import make_app
from workers.console.serving import Serving
from workers.runtime.registry.trial import Mode, Trial

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("chromium")]

PAGES = (
    *("/live", "/live?wall=1", "/review/defects", "/review/not-inspected", "/search"),
    *("/review/random-sample", "/category", "/category?name=bolts&period=week"),
    *("/lines", "/report?since=2020-01-01&until=2100-01-01", "/models", "/models/bolts"),
    "/trail",
)
SCREENS = {
    "phone": (360, 740),
    "tablet": (820, 1180),
    "desktop": (1366, 768),
    "wall": (1920, 1080),
}
MOST_BYTES = 200_000
QUEUE, TURNS = 500, 30


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Floor, str]]:
    """A floor with a queue, and the address of its pages."""
    floor = Floor(tmp_path_factory.mktemp("plant"), port=0)
    floor.settings.console.access.users["otto"] = users()["olga"]
    for number in range(QUEUE):
        floor.part(f"line-{number % 3}", number, Verdict.DEFECT)
    floor.reject("line-1", 100)
    floor.part("a-camera-with-a-very-long-name-and-no-place-to-break-it" * 3, 101)
    floor.alarm("line-1")
    floor.alarm("a-camera-with-a-very-long-name-and-no-place-to-break-it" * 3)
    for category in ("bolts", "nuts"):
        on_trial(floor, category)
    floor.read()
    with Serving(make_app(floor.room), floor.settings.console) as serving:
        yield floor, serving.url
        floor.room.stopping.set()
    floor.database.close()


def on_trial(floor: Floor, category: str) -> None:
    """Two versions of a category, one beside the other."""
    store = floor.room.versions.store
    for version in ("1", "2"):
        calibration = {"image_threshold": 1.0, "promise": "At most 5% of good parts alarm."}
        said = {"version": f"{category}-{version}", "calibrations": {category: calibration}}
        said |= {"preset": {"name": "feature-fast"}, "provenance": {"code_version": "a" * 300}}
        store.push([category], f"{category}-{version}", json.dumps(said).encode(), b"x")
    trial = Trial(f"{category}-2", Mode.SHADOW, 0.1, most_alarms=0.01)
    store.activate(category, f"{category}-1", "ada", "first", trial=trial)


Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, plant: tuple[Floor, str]) -> Iterator[Visit]:
    """A browser with somebody logged in; what it asked for, and what it complained of, is kept."""
    _, url = plant
    with contextlib.ExitStack() as stack:

        def open_page(name: str = "olga", screen: str = "tablet", scheme: str = "light") -> Page:
            width, height = SCREENS[screen]
            context = chromium.new_context(
                base_url=url,
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.asked, page.complaints = [], []  # type: ignore[attr-defined]
            page.on("request", lambda request: page.asked.append(request.url))  # type: ignore
            page.on("console", lambda said: _note(page, said))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore
            page.goto("/login")
            page.fill("[name=name]", name)
            page.fill("[name=password]", PASSWORD)
            page.press("[name=password]", "Enter")
            page.wait_for_url("**/live")
            return page

        yield open_page


def _note(page: Any, said: Any) -> None:
    if said.type == "error" and "404" not in said.text:
        page.complaints.append(said.text)


def words(floor: Floor) -> list[Review]:
    records = floor.broker.records(floor.settings.topics.reviews)
    return [Review.decode(each.headers, each.value) for each in records]


def judge(page: Page, key: str) -> float:
    """One part by key; seconds until the next one is there with its pictures."""
    part = page.locator("article.case").get_attribute("data-part")
    begun = time.monotonic()
    page.keyboard.press(key)
    page.wait_for_function(NEXT, arg=part)
    return time.monotonic() - begun


NEXT = """part => {
  const shown = document.querySelector("article.case");
  const images = [...document.querySelectorAll("article.case img")];
  return shown && shown.dataset.part !== part
    && images.length > 0 && images.every(image => image.complete && image.naturalWidth === 32);
}"""  # as wide as the floor's pictures: where one is missing another says so


def test_a_queue_is_judged_by_keyboard_alone(visit: Visit, plant: tuple[Floor, str]) -> None:
    floor, _ = plant
    page = visit()
    page.goto("/review/defects")
    for number in range(20):
        if number == 3:
            page.keyboard.press("n")
            page.keyboard.type("a drop of oil, from f to r")
            page.keyboard.press("Escape")
        judge(page, "f" if number % 2 else "r")
    said = sorted(words(floor), key=lambda review: review.reviewed_at)
    assert len({review.subject for review in said}) == 20
    assert [review.judgement.value for review in said] == ["right", "false-alarm"] * 10
    assert [review.note for review in said if review.note] == ["a drop of oil, from f to r"]
    assert page.complaints == []  # type: ignore[attr-defined]


def test_two_operators_at_a_queue_never_judge_the_same_part(
    visit: Visit, plant: tuple[Floor, str], record_property: Callable[[str, object], None]
) -> None:
    floor, _ = plant
    before = {review.review_id for review in words(floor)}
    at = [visit("olga", "desktop"), visit("otto", "phone", "dark")]
    for page in at:
        page.goto("/review/defects")
    took = [judge(page, "r") for _ in range(TURNS) for page in at]
    said = [review for review in words(floor) if review.review_id not in before]
    assert len(said) == len({review.subject for review in said}) == 2 * TURNS
    assert sorted(review.by for review in said) == ["olga"] * TURNS + ["otto"] * TURNS
    left = at[-1].locator('.tabs [aria-current="page"] .count').text_content()
    assert int(left or 0) == QUEUE - len(words(floor))
    record_property("seconds_between_parts", statistics.median(took))
    assert [page.complaints for page in at] == [[], []]  # type: ignore[attr-defined]


def test_the_slider_uncovers_the_counterpart(visit: Visit) -> None:
    page = visit()
    page.goto("/review/defects")
    page.locator("[data-slider]").fill("80")
    clip = page.locator(".over").evaluate("element => element.style.clipPath")
    assert "80%" in clip
    loaded = "images => images.every(image => image.complete && image.naturalWidth === 32)"
    assert page.locator("article.case img").evaluate_all(loaded)


def test_a_category_is_drawn_in_light_and_dark(visit: Visit) -> None:
    page = visit("vera", "phone", "dark")
    page.goto("/category?name=bolts")
    page.wait_for_selector("[data-drawn] canvas")
    drawn = page.locator("[data-chart]")
    counts = [int(drawn.nth(n).get_attribute("data-drawn") or 0) for n in range(drawn.count())]
    assert len(counts) == 2 and min(counts) >= 1  # no version is known: no drift
    stroke = page.evaluate("colour('--pico-color')")
    page.emulate_media(color_scheme="light")
    page.wait_for_function("before => colour('--pico-color') !== before", arg=stroke)
    assert drawn.locator("canvas").count() == 2
    assert page.complaints == []  # type: ignore[attr-defined]


def test_a_trial_is_compared_and_promoted_by_button(visit: Visit, plant: tuple[Floor, str]) -> None:
    floor, _ = plant
    page = visit("emil")
    page.goto("/models/nuts")
    page.wait_for_selector("text=Alarms since")
    promote = page.locator("form.act", has_text="Promote")
    promote.locator("[name=why]").fill("a quiet week")
    promote.locator("button").click()
    page.wait_for_selector("text=promoted after shadow")
    last = floor.room.versions.store.last("nuts")
    assert last is not None
    assert (last.version, last.by) == ("nuts-2", "emil")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_an_alarm_is_acknowledged_and_a_stop_announced_by_button(
    visit: Visit, plant: tuple[Floor, str]
) -> None:
    page = visit()
    page.goto("/lines")
    alarm = page.locator("article.alarm", has_text="line-1 is silent")
    alarm.locator("[name=note]").fill("a cable")
    alarm.locator("button").click()
    page.wait_for_selector("text=olga sees to it")
    page.locator("summary", has_text="Plan a stop").click()
    page.fill("[name=why]", "change of tools")
    page.locator("button", has_text="Announce").click()
    page.wait_for_selector("text=change of tools")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_live_follows_the_cameras(visit: Visit, plant: tuple[Floor, str]) -> None:
    floor, _ = plant
    page = visit("vera")
    page.wait_for_selector("text=line-0")
    floor.part("line-new", 1)
    floor.read()
    page.wait_for_selector("text=line-new")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_no_request_leaves_and_pages_are_small(visit: Visit, plant: tuple[Floor, str]) -> None:
    _, url = plant
    page = visit()
    for path in PAGES:
        page.goto(path)
        page.wait_for_load_state("load")
        assert 1000 < page.evaluate(SIZE) < MOST_BYTES, path
    assert {each.partition("://")[2].partition("/")[0] for each in page.asked} == {  # type: ignore
        url.partition("://")[2]
    }


# Bytes on the wire; pictures of parts are as large as cameras make them.
SIZE = """() => performance.getEntries()
  .filter(entry => "encodedBodySize" in entry && !/pictures|stream/.test(entry.name))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_is_not_known_or_may_not_act_reads_why(visit: Visit, scheme: str) -> None:
    page = visit("vera", "phone", scheme)
    page.goto("/review/defects")
    page.wait_for_selector("text=may look, not judge")
    assert barriers(page) == []
    page.locator("header button", has_text="Log out").click()
    page.wait_for_url("**/login")
    assert barriers(page) == []
    page.fill("[name=name]", "vera")
    page.fill("[name=password]", "wrong")
    page.press("[name=password]", "Enter")
    page.wait_for_selector("[role=alert]")
    assert barriers(page) == []


@pytest.mark.parametrize(
    ("screen", "scheme"),
    [("phone", "light"), ("tablet", "dark"), ("desktop", "light"), ("wall", "dark")],
)
def test_every_page_is_accessible_and_fits_the_screen(
    visit: Visit, screen: str, scheme: str
) -> None:
    page = visit("emil", screen, scheme)
    page.goto("/search?verdict=defect")
    part = page.locator("tbody a").first.get_attribute("href")
    for path in (*PAGES, str(part), "/parts/nothing"):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert barriers(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, path
    assert page.complaints == []  # type: ignore[attr-defined]
