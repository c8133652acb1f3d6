"""Pictures of the console for its page in docs/, of the demo's own parts.

    python -m benchmarks.console_pictures [--out docs/console] [--frames 90]

Starts the demo with its console, judges some parts, and takes a picture of each page in Chromium.
"""

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

_PATIENCE_S = 900.0
_QUALITY = 72  # of WebP
_DESK, _PHONE, _WALL = (1100, 760), (390, 760), (1600, 900)
_JUDGED, _DRAWN = 6, 12  # defects, and parts of the random sample
_DEFECTS = 8  # that are there before pictures are taken

# File -> address, size of the screen, light or dark; in this order, since acts lie between.
VIEWS: dict[str, tuple[str, tuple[int, int], str]] = {
    "live": ("/live", _DESK, "light"),
    "wall": ("/live?wall=1", _WALL, "dark"),
    "review": ("/review/defects", _DESK, "light"),
    "review-phone": ("/review/defects", _PHONE, "dark"),
    "search": ("/search", _DESK, "light"),
    "category": ("/category?name=flange", _DESK, "light"),
    "thresholds": ("/thresholds/flange?false_alarms=12", (1100, 1000), "light"),
    "models": ("/models/flange", _DESK, "light"),
    "lines": ("/lines", _DESK, "light"),
    "report": ("/report?since={since}&until={until}", (1100, 1500), "light"),
}


@contextmanager
def demo(folder: Path, frames: int) -> Iterator[tuple[str, str]]:
    """A running demo: the console's address, and the password of its user."""
    flags = ["--console", "--frames", str(frames), "--rate", "1", "--poison", "2"]
    at_a_terminal = {"TTY_COMPATIBLE": "1", "COLUMNS": "200"}  # so it stays when all is inspected
    screenless = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "workers.cli", "demo", "--out", str(folder), *flags]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=screenless | at_a_terminal,
    )
    lines: Queue[str] = Queue()
    threading.Thread(target=_follow, args=(running.stdout, lines), daemon=True).start()
    try:
        yield _said(lines)
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(180)


def _follow(stream: Any, lines: "Queue[str]") -> None:
    for line in stream:
        lines.put(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line))


def _said(lines: "Queue[str]") -> tuple[str, str]:
    text, deadline = "", time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            text += lines.get(timeout=1).rstrip("\n") + " "
        except Empty:
            continue
        found = re.search(r"Console: (http://\S+) .*password\s+([\w-]+)\)", text)
        if found:
            return found[1], found[2]
    raise SystemExit("the demo did not say where its console is")


def log_in(page: Page, url: str, password: str) -> None:
    """As the demo's user."""
    page.goto(f"{url}/login")
    page.fill("[name=name]", "demo")
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/live")


def wait_for_defects(page: Page, url: str) -> None:
    """Until some are explained: the newest has its counterpart."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        page.goto(f"{url}/review/defects")
        said = page.locator('.tabs [aria-current="page"] .count')
        count = int((said.text_content() or "0").rstrip("+")) if said.count() else 0
        if count >= _DEFECTS and page.locator(".compare").count():
            return
        time.sleep(3)
    raise SystemExit("no defects with pictures came")


def judge(page: Page, url: str, queue: str, count: int, keys: str) -> None:
    """Some words, so that pages have some to show; `keys` in turn."""
    page.goto(f"{url}/review/{queue}")
    for number in range(count):
        case = page.locator("article.case")
        if not case.count():
            return
        part = case.get_attribute("data-part")
        page.keyboard.press(keys[number % len(keys)])
        page.wait_for_function(
            "part => document.querySelector('article.case')?.dataset.part !== part", arg=part
        )


def activate(page: Page, url: str) -> None:
    """Another version, with the thresholds that the picture before shows."""
    page.goto(f"{url}{VIEWS['thresholds'][0]}")
    page.fill("[name=why]", "oil on the belt, no defect")
    page.get_by_role("button", name="Calibrate and activate").click()
    page.wait_for_selector("text=done: version")


def take(page: Page, url: str, name: str, out: Path) -> int:
    """A picture of what the screen shows; its bytes."""
    address, (width, height), scheme = VIEWS[name]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    span = {"since": now - timedelta(hours=8), "until": now + timedelta(minutes=1)}
    shown = address.format(**{end: f"{at:%Y-%m-%dT%H:%M}" for end, at in span.items()})
    page.goto(f"{url}{shown}", wait_until="load")
    page.wait_for_timeout(1500)
    file = out / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(file, quality=_QUALITY, method=6)
    return file.stat().st_size


def main() -> int:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/console"))
    parser.add_argument("--frames", type=int, default=90)
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no Chromium: apt-get install --no-install-recommends chromium")
    given.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder) / "demo", given.frames) as (url, password),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        log_in(page, url, password)
        wait_for_defects(page, url)
        judge(page, url, "defects", _JUDGED, "rrf")
        judge(page, url, "random-sample", _DRAWN, "r")
        total = 0
        for name in VIEWS:
            if name == "models":
                activate(page, url)
            total += take(page, url, name, given.out)
        browser.close()
    print(f"{len(VIEWS)} pictures, {total / 1e3:.0f} KB in {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
