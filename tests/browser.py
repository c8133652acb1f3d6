"""Pages in the system's Chromium: what axe finds, and whether they fit the screen."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_AXE = files("axe_playwright_python").joinpath("axe.min.js")
_CUT = """() => [...document.querySelectorAll('table, figure, svg, img, h1, td, p')]
  .filter(each => each.getBoundingClientRect().right > window.innerWidth + 1)
  .map(each => each.outerHTML.slice(0, 120))"""


@contextmanager
def launched() -> Iterator[Browser]:
    """Nothing is skipped where there is no browser: the test fails, and says what to install."""
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("no Chromium: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def barriers(page: Page) -> list[tuple[str, list[str]]]:
    """The rules that a page breaks, each with the elements that do."""
    page.evaluate(_AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (broken["id"], [node["html"][:200] for node in broken["nodes"]][:5])
        for broken in found["violations"]
    ]


def beyond_the_edge(page: Page) -> list[str]:
    """What lies to the right of the screen."""
    found: list[str] = page.evaluate(_CUT)
    return found
