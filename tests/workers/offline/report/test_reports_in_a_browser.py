"""The reports as people see them: on a phone and a wide screen, in light and in dark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from browser import barriers, beyond_the_edge, launched
from playwright.sync_api import Browser, ViewportSize

from stream_inspector.image.pictures import encode_png
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.defects import Labelled, check_defects
from stream_inspector.threshold.trade_off import TradeOff, settle
from tests.workers.demo.page.test_report import card as demo_card
from tests.workers.demo.page.test_report import summary
from tests.workers.offline.evaluate.report.test_pages import card, material
from workers.demo.page.report import Page as DemoPage
from workers.demo.page.report import Section, write_page
from workers.offline.calibrate.held_out import GoodScores, HeldOut
from workers.offline.calibrate.remedies import Remedy
from workers.offline.calibrate.report.shown import Painted, Shown, Tested
from workers.offline.calibrate.report.thresholds import write_thresholds
from workers.offline.evaluate.report.pages import write_category, write_index

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("chromium")]

LONG = "bent_lead_of_the_left_foot_upper_side_" * 3
SIDE, GOOD = 32, 60


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of each kind, with long names in them."""
    folder, case = tmp_path_factory.mktemp("reports"), material(kind=LONG)
    return [
        demo(folder / "demo/report.html"),
        write_category(folder / "evaluate", card(case, "nut"), case, "today"),
        write_index(folder / "evaluate", [card(case, "nut"), card(case, LONG)], "today"),
        thresholds(folder),
    ]


def demo(path: Path) -> Path:
    picture = encode_png(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8))
    pictures = dict.fromkeys(("frame", "heatmap", "outline", "counterpart"), picture)
    cards = [demo_card(right=right, title=LONG, pictures=pictures) for right in (True, False, None)]
    path.parent.mkdir(parents=True)
    return write_page(
        DemoPage(summary(), "today", [Section("Defects", "Raised.", cards)], {}), path
    )


def thresholds(folder: Path) -> Path:
    """Of made-up scores of good images, known defects and painted ones."""
    rng, case = np.random.default_rng(0), material(kind=LONG)
    maps = rng.normal(size=(GOOD, SIDE, SIDE)).astype(np.float32)
    scores = maps.max((1, 2)).astype(float)
    made = calibrate(maps, scores, Budget())
    images = [rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8) for _ in range(GOOD)]
    paths = [folder / f"{LONG}{number}.png" for number in range(GOOD)]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encode_png(image))
    known = zip(case.test.files, paths, strict=False)
    files = tuple(replace(file, path=path) for file, path in known)
    truth, scored = case.test.truth, case.judged.scores
    labelled = Labelled(
        case.maps["kl"], scored, truth.defective, truth.masks, [file.kind for file in files]
    )
    check = check_defects(labelled, made.thresholds, 0.95)
    trade_off = TradeOff.of(scores, scored[truth.defective], 0.95)
    shown = Shown(
        "nut",
        "v1",
        replace(made, defects=check),
        HeldOut(images, paths),
        GoodScores(maps, scores, {}),
        View((SIDE, SIDE)),
        Tested(replace(case.test, files=files), labelled),
        Painted(labelled, replace(check, synthetic=True)),
        settle(trade_off, made.image_threshold, 0.02, 0.05, escapes_decide=False),
        [Remedy("larger input", "train with it", 0.1, 0.9)],
    )
    return write_thresholds(folder / "thresholds.html", shown)


@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1400, "light"), (2560, "dark")]
)
def test_every_report_is_accessible_and_fits_the_screen(
    chromium: Browser, reports: list[Path], width: int, scheme: Literal["light", "dark"]
) -> None:
    size: ViewportSize = {"width": width, "height": 900}
    with chromium.new_context(viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        for report in reports:
            page.goto(report.as_uri())
            assert barriers(page) == [], report.name
            assert beyond_the_edge(page) == [], report.name


def test_each_picture_opens_whole(chromium: Browser, reports: list[Path]) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        for report in reports:
            page.goto(report.as_uri())
            alone = page.evaluate(
                "[...document.images].filter(each => !each.closest('a[href]')).length"
            )
            assert alone == 0, report.name
            links = page.evaluate(
                "[...document.querySelectorAll('a[href] img')].map(each => each.closest('a').href)"
            )
            for link in set(links):
                assert Path(unquote(urlsplit(link).path)).is_file()
