"""Report pages of a made-up test set: what they show, and that they stay small and alone."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream_inspector.counterpart.variants import Counterpart
from stream_inspector.threshold.share import alarms_by_kind
from workers.offline.evaluate.report.cards import make_card
from workers.offline.evaluate.report.examples import MOST, Judged
from workers.offline.evaluate.report.material import SHOWN, Material
from workers.offline.evaluate.report.pages import page_name, write_category, write_index
from workers.offline.images.datasets import LabelledFile
from workers.offline.report.page import Album
from workers.offline.scoring.labelled import LabelledImages
from workers.offline.scoring.ranking import Evaluation, Truth, operating_point, rank

SIDE = 32


def material(count: int = 6, kind: str = "bent") -> Material:
    """As many good images as defective ones; the last defect is missed, one good image alarms."""
    rng = np.random.default_rng(0)
    defective = np.arange(2 * count) >= count
    masks = np.zeros((2 * count, SIDE, SIDE), bool)
    masks[count:, 8:16, 8:16] = True
    maps = rng.random(masks.shape).astype(np.float32) + 3 * masks
    scores = np.where(defective, 3.0, 1.0)
    scores[-1], scores[0] = 0.5, 2.5
    files = tuple(
        LabelledFile(Path(f"{n}.png"), kind if bad else "good", defective=bool(bad), mask=None)
        for n, bad in enumerate(defective)
    )
    images = [rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8) for _ in files]
    return Material(
        LabelledImages(
            files, images, [(2 * SIDE, SIDE)] * len(files), Truth(defective, tuple(masks))
        ),
        [(2 * SIDE, SIDE)] * len(files),
        Judged(scores, defective, [file.kind for file in files], 2.0, 1.5),
        dict.fromkeys(SHOWN, maps),
        dict.fromkeys(SHOWN, 1.0),
    )


def card(of: Material, category: str = "nut") -> Evaluation:
    truth, scores = of.test.truth, of.judged.scores
    ranking = rank(of.maps["kl"], scores, truth)
    names = ("ensemble", "kl+features", "kl", "features", "mahalanobis", "control")
    point = operating_point(scores, truth.defective, 2.0, 1.5)
    counts = (int((~truth.defective).sum()), int(truth.defective.sum()), 6, 6, 6)
    members = dict.fromkeys(names, ranking)
    made = Evaluation(
        category, "v1", "c1", "torch", (SIDE, SIDE), *counts, members, point, ms_per_image=9.5
    )
    kinds = alarms_by_kind(scores, truth.defective, of.judged.kinds, (2.0, 1.5), 0.95)
    return replace(made, kinds=kinds)


def test_the_page_leads_with_what_the_threshold_does_by_kind(tmp_path: Path) -> None:
    page = write_category(tmp_path, card(material()), material(), "today").read_text()
    index = write_index(tmp_path, [card(material())], "today").read_text()

    assert "<h1>nut: 83% of defects found, 17% of good parts alarm</h1>" in page
    assert page.index("recall at the threshold (36% to 100%)") < page.index("image AUROC")
    assert "<td>bent</td>" in page
    assert "<td>good</td>" in page
    assert "83.3% (35.9% to 99.6%)" in index


def test_a_card_shows_input_truth_and_the_members_maps(tmp_path: Path) -> None:
    album = Album(tmp_path / "page.html")
    good, bad = make_card(material(), 1, album), make_card(material(), 11, album)

    assert [picture.caption for picture in bad.pictures] == [
        *("Input", "Truth", "KL map", "Feature map", "Final map")
    ]
    assert "Truth" not in [picture.caption for picture in good.pictures]
    assert (bad.title, bad.outcome) == ("bent/11.png", "missed")


def test_a_card_shows_the_counterpart_and_the_way_to_it(tmp_path: Path) -> None:
    case = material()
    grey = np.full((SIDE, SIDE, 3), 90, np.uint8)
    case.counterparts[11] = Counterpart(grey, 3.0, 2.0, False, 2)  # type: ignore[index]
    case.steps[11] = [grey, grey]  # type: ignore[index]

    shown = make_card(case, 11, Album(tmp_path / "page.html"))

    assert shown.pictures[-1].caption == "Counterpart"
    assert [picture.caption for picture in shown.steps] == ["step 1", "step 2"]
    assert "not convincing" in shown.note


def test_a_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    case = material(kind="<b>bent & torn</b>")
    page = write_category(tmp_path, card(case, "<nut>"), case, "today").read_text()

    assert set(re.findall(r'src="([^":]+)', page)) == {"data"}
    links = set(re.findall(r'href="([^"]+)"', page))
    beside = links - {"index.html"}
    assert beside
    assert all((tmp_path / each).is_file() for each in beside)
    assert page.count("<img") == page.count('title="the whole picture"><img')
    assert not re.findall(r"url\(|@import|<script", page)
    assert "&lt;b&gt;bent &amp; torn&lt;/b&gt;" in page
    assert "<nut>" not in page


def test_the_worst_misses_and_false_alarms_are_on_the_page(tmp_path: Path) -> None:
    case = material()

    page = write_category(tmp_path, card(case), case, "today").read_text()

    assert 'Worst misses <span class="count">1</span>' in page
    assert 'Worst false alarms <span class="count">1</span>' in page
    assert "bent/11.png" in page
    assert "good/0.png" in page
    assert page.count("<polyline") == 6


def test_a_large_test_set_makes_no_large_page(tmp_path: Path) -> None:
    case = material(60)
    case = replace(case, judged=replace(case.judged, threshold=99.0, near=98.0))

    page = write_category(tmp_path, card(case), case, "today").read_text()

    assert page.count("<article") == 2 * MOST
    assert 'Worst misses <span class="count">60</span>' in page
    assert "8 are shown" in page


def test_the_index_lists_the_categories_and_the_means(tmp_path: Path) -> None:
    cards = [card(material(), "nut"), card(material(), "bolt/m8")]

    page = write_index(tmp_path, cards, "today").read_text()

    assert "2 categories" in page
    assert set(re.findall(r'href="([^"]+)"', page)) == {page_name("nut"), page_name("bolt/m8")}
    assert "/" not in page_name("bolt/m8")
    assert "mahalanobis" in page


def test_a_narrow_screen_shows_tables_as_lists_with_their_heads(tmp_path: Path) -> None:
    case = material()
    pages = [
        write_category(tmp_path, card(case), case, "today"),
        write_index(tmp_path, [card(case), card(case, "bolt")], "today"),
    ]
    for page in pages:
        text = page.read_text()
        rows = [row for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if "<td" in row]
        assert rows
        for row in rows:
            assert row.count("<td") == row.count("data-head=") + 1, row
        assert 'name="viewport"' in text
        assert "attr(data-head)" in text
        assert "overflow-x" not in text  # nothing lies beyond the edge
