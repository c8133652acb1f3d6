"""The pages in a real browser: keys, sizes of screens, light and dark, help for who cannot see.

Chromium is the system's (`apt-get install chromium`); nothing is skipped where it is missing.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from floor import PASSWORD, Floor
from playwright.sync_api import Browser, Page, sync_playwright

from schemas.outcome import Verdict
from schemas.review import Review
from workers.console.app import make_app
from workers.console.serving import Serving
from workers.runtime.registry.trial import Mode, Trial

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("chromium")]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
PAGES = (
    *("/live", "/live?wall=1", "/review/defects", "/review/not-inspected", "/search"),
    *("/review/random-sample", "/category", "/category?name=bolts&period=week"),
    *("/lines", "/models", "/models/bolts"),
)
SCREENS = {"phone": (360, 740), "tablet": (820, 1180), "wall": (1920, 1080)}
MOST_BYTES = 200_000
QUEUE = 40


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("no Chromium: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Floor, str]]:
    """A floor with a queue, and the address of its pages."""
    floor = Floor(tmp_path_factory.mktemp("plant"), port=0)
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


def test_a_queue_is_judged_by_keyboard_alone(visit: Visit, plant: tuple[Floor, str]) -> None:
    floor, _ = plant
    page = visit()
    page.goto("/review/defects")
    for number in range(20):
        part = page.locator("article.case").get_attribute("data-part")
        if number == 3:
            page.keyboard.press("n")
            page.keyboard.type("a drop of oil, from f to r")
            page.keyboard.press("Escape")
        page.keyboard.press("f" if number % 2 else "r")
        page.wait_for_function(
            "part => document.querySelector('article.case')?.dataset.part !== part", arg=part
        )
    said = sorted(words(floor), key=lambda review: review.reviewed_at)
    assert len({review.subject for review in said}) == 20
    assert [review.judgement.value for review in said] == ["right", "false-alarm"] * 10
    assert [review.note for review in said if review.note] == ["a drop of oil, from f to r"]
    assert page.complaints == []  # type: ignore[attr-defined]


def test_the_slider_uncovers_the_counterpart(visit: Visit) -> None:
    page = visit()
    page.goto("/review/defects")
    page.locator("[data-slider]").fill("80")
    clip = page.locator(".over").evaluate("element => element.style.clipPath")
    assert "80%" in clip
    loaded = "images => images.every(image => image.complete && image.naturalWidth > 0)"
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


@pytest.mark.parametrize(
    ("screen", "scheme"), [("phone", "light"), ("tablet", "dark"), ("wall", "dark")]
)
def test_every_page_is_accessible_and_fits_the_screen(
    visit: Visit, screen: str, scheme: str
) -> None:
    page = visit("emil", screen, scheme)
    for path in PAGES:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]]
        assert told == [], path
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, path
    assert page.complaints == []  # type: ignore[attr-defined]
