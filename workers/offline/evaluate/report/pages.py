"""The report of `evaluate` as HTML: a page for each category, and one that lists them.

Pages load nothing from elsewhere; the pictures inside are small and their number is bounded, so
that a page stays a few megabytes however large the test set. The whole ones lie beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.offline.evaluate.report.cards import Card, make_card
from workers.offline.evaluate.report.examples import Judged, choose
from workers.offline.evaluate.report.figures import jitter, pro_figure, score_figure
from workers.offline.evaluate.report.material import Material
from workers.offline.report.page import Album, environment
from workers.offline.report.plot import Dot
from workers.offline.scoring.columns import COLUMNS, in_order
from workers.offline.scoring.ranking import LARGE, Evaluation, mean_rankings
from workers.runtime.host.whole_file import write_whole

INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class Section:
    """Cards of one kind."""

    heading: str
    count: int
    lede: str
    cards: Sequence[Card]


def write_category(folder: Path, card: Evaluation, material: Material, when: str) -> Path:
    """Write a category's page; returns its path."""
    page = environment(__package__).get_template("category.html.j2")
    path = folder / page_name(card.category)
    text = page.render(
        card=card,
        when=when,
        columns=COLUMNS,
        order=in_order(card.members),
        large=LARGE,
        scores=_scores(material.judged),
        curves=pro_figure({name: card.members[name].pro for name in in_order(card.members)}),
        sections=_sections(material, Album(path)),
        index=INDEX,
    )
    return _write(path, text)


def write_index(folder: Path, cards: Sequence[Evaluation], when: str) -> Path:
    """Write the page that lists the categories and the mean; returns its path."""
    means = mean_rankings(card.members for card in cards)
    text = (
        environment(__package__)
        .get_template("index.html.j2")
        .render(
            cards=cards,
            when=when,
            columns=COLUMNS,
            means=means,
            order=in_order(means),
            page_name=page_name,
        )
    )
    return _write(folder / INDEX, text)


def page_name(category: str) -> str:
    """The file of a category's page."""
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in category)[:80]
    return f"category-{safe}.html"


def _sections(material: Material, album: Album) -> list[Section]:
    examples = choose(material.judged)
    missed, false = examples.n_missed, examples.n_false_alarms
    return [
        Section(
            "Worst misses" if missed else "No defect is missed",
            missed,
            _MISSED if missed else _NONE_MISSED,
            [make_card(material, index, album) for index in examples.missed],
        ),
        Section(
            "Worst false alarms" if false else "No false alarm",
            false,
            _FALSE if false else _NONE_FALSE,
            [make_card(material, index, album) for index in examples.false_alarms],
        ),
        Section(
            "Defects that were found",
            len(examples.found),
            _FOUND,
            [make_card(material, index, album) for index in examples.found],
        ),
    ]


_MISSED = "Defective images whose score stayed under the threshold, the lowest first."
_NONE_MISSED = "The defective images with the lowest scores."
_FALSE = "Good images whose score exceeded the threshold, the highest first."
_NONE_FALSE = "The good images with the highest scores."
_FOUND = "A few of every kind."


def _scores(judged: Judged) -> str:
    kinds = list(dict.fromkeys(judged.kinds))
    order = {kind: _share_good(judged, kind) for kind in kinds}
    rows = sorted(kinds, key=lambda kind: (order[kind], kind))
    dots = [
        Dot(
            float(score),
            rows.index(kind) + jitter(number),
            "dot bad" if bad else "dot good",
            f"{kind}: {score:.3g}",
        )
        for number, (score, kind, bad) in enumerate(
            zip(judged.scores, judged.kinds, judged.defective, strict=True)
        )
    ]
    return score_figure(dots, judged.threshold, rows)


def _share_good(judged: Judged, kind: str) -> bool:
    return not judged.defective[list(judged.kinds).index(kind)]


def _write(path: Path, text: str) -> Path:
    write_whole(path, text)
    return path
