"""How a model ranks labelled images, as lists."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from workers.offline.scoring.columns import COLUMNS, in_order, number
from workers.offline.scoring.maps import ENSEMBLE
from workers.offline.scoring.ranking import LARGE, Evaluation, Ranking, mean_rankings
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Listing, Shown

_METRICS = tuple(
    Column(head.replace("@", " @"), name=name, right=True) for head, name in COLUMNS.items()
)


def tell_evaluation(card: Evaluation, console: Console) -> None:
    """Ranking metrics, one line a member; what they hold for below."""
    title = f"{card.category}: {card.n_good} good, {card.n_defective} defective test images"
    listing = Listing(console, Column("", name="member"), *_METRICS, title=title)
    for name in in_order(card.members):
        _add(listing, [name], card.members[name], bold=name == ENSEMBLE)
    listing.close()
    for line in _caption(card):
        console.print(text((line, "dim italic")), soft_wrap=True)


def tell_categories(cards: Sequence[Evaluation], console: Console) -> None:
    """The ensemble on each category, and each member's mean."""
    title = "The ensemble on each category, and the mean of every member"
    listing = Listing(console, Column("", name="category"), *_METRICS, title=title)
    for card in cards:
        _add(listing, [card.category], card.members[ENSEMBLE])
    listing.rule()
    means = mean_rankings(card.members for card in cards)
    for name in in_order(means):
        _add(listing, [f"mean, {name}"], means[name], bold=name == ENSEMBLE)
    listing.close()


def write_csv(cards: Sequence[Evaluation], file: Path) -> None:
    """Every member of every category, one line each."""
    with Listing.into(file, Column("category"), Column("member"), *_METRICS) as listing:
        for card in cards:
            for name in in_order(card.members):
                _add(listing, [card.category, name], card.members[name])


def _add(listing: Listing, names: list[str], ranking: Ranking, *, bold: bool = False) -> None:
    found = (getattr(ranking, field) for field in COLUMNS.values())
    values = (Shown(value, number(value)) for value in found)
    listing.add(*names, *values, style="bold" if bold else "")


def _caption(card: Evaluation) -> list[str]:
    height, width = card.resolution
    lines = [
        f"at {height} x {width} px; {card.n_large_regions} of {card.n_regions} defect regions have "
        f"{LARGE} px or more",
        f"{card.ms_per_image:.1f} ms an image ({card.engine}), model {card.model_version}",
    ]
    point, made = card.at_threshold, card.counterparts
    lines.append(
        "not calibrated"
        if point is None
        else f"at the calibrated threshold {point.threshold:.3g}: precision "
        f"{number(point.precision)}, recall {number(point.recall)}, {point.false_alarms} "
        f"false alarms, {point.missed} missed ({point.missed_near} of them near misses)"
    )
    if made:
        lines.append(
            f"{made.images} counterparts: {number(made.normal)} judged normal (good test images "
            f"{number(made.ceiling)}), {number(made.convincing)} convincing; grey levels of "
            f"change {number(made.change_inside)} in the defect, {number(made.change_outside)} "
            "outside"
        )
    return lines
