"""Verdicts of files, as a terminal table."""

from collections.abc import Iterable

from workers.offline.inspect.files import Inspected
from workers.runtime.host.terminal import Table, text

_STYLES = {"defect": "bold red", "near_miss": "yellow", "pass": "green"}


def inspection_table(results: Iterable[Inspected]) -> Table:
    """Verdicts, one row a file."""
    table = Table("file", "verdict", "regions", "counterpart", title="Inspection")
    table.add_column("score / threshold", justify="right")
    for result in results:
        verdict = result.verdict
        grade = verdict.grade.value
        table.add_row(
            str(result.path),
            text((grade, _STYLES[grade])),
            str(len(verdict.regions)),
            _counterpart(result),
            f"{verdict.image_score:.3g} / {verdict.image_threshold:.3g}",
        )
    return table


def _counterpart(result: Inspected) -> str:
    if result.counterpart is None:
        return ""
    return "convincing" if result.counterpart.convincing else "not convincing"
