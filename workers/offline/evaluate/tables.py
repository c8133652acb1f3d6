"""How a model ranks labelled images, as terminal tables."""

from collections.abc import Sequence

from workers.offline.scoring.columns import COLUMNS, in_order, number
from workers.offline.scoring.maps import ENSEMBLE
from workers.offline.scoring.ranking import LARGE, Evaluation, Ranking, mean_rankings
from workers.runtime.host.terminal import Table


def evaluation_table(card: Evaluation) -> Table:
    """Ranking metrics, one row a member."""
    table = _ranking_table(
        f"{card.category}: {card.n_good} good, {card.n_defective} defective test images",
        _caption(card),
    )
    for name in in_order(card.members):
        _add_row(table, name, card.members[name], bold=name == ENSEMBLE)
    return table


def category_table(cards: Sequence[Evaluation]) -> Table:
    """The ensemble on each category, and each member's mean."""
    table = _ranking_table("The ensemble on each category, and the mean of every member", "")
    for card in cards:
        _add_row(table, card.category, card.members[ENSEMBLE])
    table.add_section()
    means = mean_rankings(card.members for card in cards)
    for name in in_order(means):
        _add_row(table, f"mean, {name}", means[name], bold=name == ENSEMBLE)
    return table


def _ranking_table(title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    return table


def _add_row(table: Table, name: str, ranking: Ranking, *, bold: bool = False) -> None:
    values = (number(getattr(ranking, field)) for field in COLUMNS.values())
    table.add_row(name, *values, style="bold" if bold else None)


def _caption(card: Evaluation) -> str:
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
    return "\n".join(lines)
