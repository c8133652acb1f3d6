import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from stream_inspector.image.pictures import encode_png
from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.tally import tally
from workers.demo.page.report import (
    Card,
    Page,
    Section,
    figures,
    headline,
    render_page,
    write_page,
)
from workers.offline.report.page import inline

PNG = encode_png(np.full((600, 900, 3), 90, np.uint8))


def summary(**changes: object) -> dict:
    counts = (
        "sent",
        "inspected",
        "defective",
        "rejected",
        "lost",
        "repeated",
        "duplicated",
        "near_misses",
    )
    quality = {
        **dict.fromkeys(("precision", "recall", "image_auroc", "pixel_auroc", "aupro_30"), 0.9),
        **{"true_alarms": 3, "false_alarms": 1, "missed": 2, "passed": 4, "pixel_how": "offline"},
    }
    run = {
        **dict.fromkeys(("category", "preset", "model_version", "model_origin"), "nut"),
        **dict.fromkeys(("calibration_id", "promise", "engine", "delivery"), "said"),
        **{"train_seconds": None, "cameras": 1, "workers": 1, "rate_fps": 2.0},
    }
    return {
        "frames": dict.fromkeys((*counts, "near_misses"), 0),
        "latency_ms": {"p50": 100.0, "p95": 200.0},
        "throughput_fps": 5.0,
        "quality": quality,
        "run": run,
        "machine": {"cpu": "a processor", "cores": 2},
        **changes,
    }


def card(**changes: object) -> Card:
    values = {
        "title": "cam-1 #3",
        "camera": "part 3",
        "score": 5.0,
        "threshold": 2.0,
        "truth": "dent",
        "right": True,
        "pictures": {"frame": PNG},
    }
    return Card(**{**values, **changes})  # type: ignore[arg-type]


def page(*cards: Card, **changes: object) -> str:
    section = Section("Defects", "Raised.", cards)
    return render_page(
        Page(summary(**changes), "today", [section], {}), Path(tempfile.mkdtemp()) / "report.html"
    )


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = page(card())

    assert "data:image/jpeg;base64," in text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|@import|url\(", text)
    assert "<script" not in text


def test_what_comes_from_outside_is_escaped() -> None:
    text = page(card(title="<script>alert(1)</script>", truth="<b>"))

    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("right", "words"), [(True, "right: dent"), (False, "wrong: it is dent"), (None, "not known")]
)
def test_each_verdict_is_called_right_or_wrong(right: bool | None, words: str) -> None:
    assert words in page(card(right=right))


def test_lost_frames_are_not_hidden() -> None:
    frames = summary()["frames"] | {"sent": 9, "lost": 2}

    assert "2 lost" in page(frames=frames)
    assert "none lost" not in page(frames=frames)


def test_pictures_have_the_shape_of_the_frame_as_captured() -> None:
    assert 'style="--shape: 1500 / 1000"' in page(card(size=(1500, 1000)))


def test_near_misses_are_counted_where_there_are_some() -> None:
    frames = summary()["frames"]

    assert "near misses" not in page()
    assert "raised as defects, 3 near misses" in page(frames=frames | {"near_misses": 3})


def test_pictures_are_made_small() -> None:
    assert len(inline(PNG)) < 5000


@pytest.mark.parametrize("threshold", [2.0, -2.0, 0.0])
def test_the_bar_stands_at_its_middle_at_the_threshold(threshold: float) -> None:
    below, at, above = (
        card(score=threshold + change, threshold=threshold).fill for change in (-9, 0, 9)
    )

    assert 2 <= below < 10
    assert at == 50
    assert 90 < above <= 98


def test_the_headline_counts_alarms_in_english() -> None:
    quality = summary()["quality"]

    assert headline(summary()) == "3 of 5 defects found, 1 false alarm"
    assert "no false alarm" in headline(summary(quality=quality | {"false_alarms": 0}))
    assert headline(summary(quality=None)) == "0 of 0 frames raised a defect"


def test_a_run_without_truth_has_a_page_too(tmp_path: Path) -> None:
    text = page(card(right=None, truth=None), quality=None)

    assert "recall" not in text
    written = write_page(Page(summary(), "today", [], {}), tmp_path / "report.html")
    assert written.read_text().startswith("<!doctype html>")


def test_whole_pictures_are_a_click_away(tmp_path: Path) -> None:
    section = Section("Defects", "Raised.", [card(pictures={"frame": PNG, "heatmap": PNG})])
    written = write_page(Page(summary(), "today", [section], {}), tmp_path / "report.html")
    links = re.findall(r'<a href="([^"]+)" title="the whole picture"><img', written.read_text())
    assert len(links) == 2
    assert all((tmp_path / link).read_bytes() == PNG for link in links)


def test_the_figure_says_the_same_latency_as_the_tile() -> None:
    """Frames whose capture is unknown count in neither or in both."""
    timed = Observed(*("o1", "a", "cam-1", "pass", None, 1.0, 2.0, "v", "c", "w"), 0.0, 0.5, 400.0)
    books = tally([sent("a")], [timed])
    told = {"p50": 259.0, "p95": 999.0}
    assert "p50 259 ms" in figures(books, {"a": sent("a")}, told)["latency"]


def sent(name: str) -> SentFrame:
    return SentFrame(name, "cam-1", 0, "nut", datetime(2026, 1, 1, tzinfo=UTC), "good")
