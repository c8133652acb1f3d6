"""The offline commands' results as terminal tables."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from workers.trainer.compare import OURS, Row
from workers.trainer.evaluate import LARGE, Evaluation, Ranking, mean_rankings
from workers.trainer.offline import Inspected
from workers.trainer.scoring import ENSEMBLE

_ORDER = ("ensemble", "kl+features", "kl", "features", "mahalanobis", "control")
COLUMNS = {
    "image AUROC": "image_auroc",
    "pixel AUROC": "pixel_auroc",
    "AUPRO@0.3": "aupro_30",
    "AUPRO@0.05": "aupro_05",
    f"AUPRO@0.3, ≥ {LARGE} px": "large_aupro_30",
}
_STYLES = {"defect": "bold red", "near_miss": "yellow", "pass": "green"}


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


def in_order(members: Iterable[str]) -> list[str]:
    """Members as tables list them: the ensembles first."""
    names = list(members)
    known = [name for name in _ORDER if name in names]
    return [*known, *(name for name in names if name not in known)]


def _ranking_table(title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    return table


def _add_row(table: Table, name: str, ranking: Ranking, *, bold: bool = False) -> None:
    values = (_number(getattr(ranking, field)) for field in COLUMNS.values())
    table.add_row(name, *values, style="bold" if bold else None)


def comparison_table(rows: Iterable[Row]) -> Table:
    """Ranking metrics, time and memory, one row a category and method."""
    table = Table(
        box=SIMPLE_HEAD,  # 80 columns have no room for lines
        pad_edge=False,
        collapse_padding=True,
        title="Same good images, features, blur and metrics",
        caption="fit and ms: with the features; MB: beside the feature network, which all share",
        caption_justify="left",
    )
    metrics = {name: key for name, key in COLUMNS.items() if not key.startswith("large")}
    for name in ("category", "method"):
        table.add_column(name, no_wrap=True)
    for name in (*metrics, "fit s", "ms an image", "MB"):
        table.add_column(name.replace("@", " @"), justify="right", min_width=5)
    previous = ""
    for row in rows:
        if previous not in {"", row.category}:
            table.add_section()
        table.add_row(
            "" if row.category == previous else row.category,
            row.method,
            *(_number(getattr(row.ranking, metric)) for metric in metrics.values()),
            "given" if row.fit_seconds is None else f"{row.fit_seconds:.1f}",
            f"{row.ms_per_image:.1f}",
            f"{row.megabytes:.1f}",
            style="bold" if row.method == OURS else None,
        )
        previous = row.category
    return table


def inspection_table(results: Iterable[Inspected]) -> Table:
    """Verdicts, one row a file."""
    table = Table("file", "verdict", "regions", "counterpart", title="Inspection")
    table.add_column("score / threshold", justify="right")
    for result in results:
        verdict = result.verdict
        grade = verdict.grade.value
        table.add_row(
            str(result.path),
            f"[{_STYLES[grade]}]{grade}[/]",
            str(len(verdict.regions)),
            _counterpart(result),
            f"{verdict.image_score:.3g} / {verdict.image_threshold:.3g}",
        )
    return table


def _counterpart(result: Inspected) -> str:
    if result.counterpart is None:
        return ""
    return "convincing" if result.counterpart.convincing else "not convincing"


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
        f"{_number(point.precision)}, recall {_number(point.recall)}, {point.false_alarms} "
        f"false alarms, {point.missed} missed ({point.missed_near} of them near misses)"
    )
    if made:
        lines.append(
            f"{made.images} counterparts: {_number(made.normal)} judged normal (good test images "
            f"{_number(made.ceiling)}), {_number(made.convincing)} convincing; grey levels of "
            f"change {_number(made.change_inside)} in the defect, {_number(made.change_outside)} "
            "outside"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
