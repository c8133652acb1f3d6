"""The offline commands' results as terminal tables."""

from collections.abc import Iterable

from rich.table import Table

from workers.trainer.evaluate import Evaluation
from workers.trainer.offline import Inspected

_ROWS = ("ensemble", "kl", "features", "mahalanobis", "control")
_STYLES = {"defect": "bold red", "near_miss": "yellow", "pass": "green"}


def evaluation_table(card: Evaluation) -> Table:
    """Ranking metrics, one row a member."""
    table = Table(
        title=f"{card.category}: {card.n_good} good, {card.n_defective} defective test images",
        caption=_caption(card),
        caption_justify="left",
    )
    for name in ("", "image AUROC", "pixel AUROC", "AUPRO@0.3", "AUPRO@0.05"):
        table.add_column(name, justify="right" if name else "left")
    names = [*_ROWS, *(name for name in card.members if name not in _ROWS)]
    for name in (name for name in names if name in card.members):
        ranking = card.members[name]
        values = (ranking.image_auroc, ranking.pixel_auroc, ranking.aupro_30, ranking.aupro_05)
        style = "bold" if name == "ensemble" else None
        table.add_row(name, *(_number(value) for value in values), style=style)
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
    speed = f"{card.ms_per_image:.1f} ms an image ({card.engine}), model {card.model_version}"
    point = card.at_threshold
    if point is None:
        return f"{speed}, not calibrated"
    return (
        f"{speed}\nat the calibrated threshold {point.threshold:.3g}: "
        f"precision {_number(point.precision)}, recall {_number(point.recall)}, "
        f"{point.false_alarms} false alarms, {point.missed} missed ({point.missed_near} of them "
        "near misses)"
    )


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
