"""Verdicts of files, as a list."""

from rich.console import Console

from workers.offline.inspect.files import Inspected
from workers.runtime.listing import Column, Form, Kind, Listing, Shown

_STYLES = {"defect": "bold red", "near_miss": "yellow", "pass": "green"}
_COLUMNS = (
    Column("verdict"),
    Column("score", right=True, pattern=".3g"),
    Column("threshold", right=True, pattern=".3g"),
    Column("regions", right=True),
    Column("file"),
    Column("counterpart", kind=Kind.EXTRA),
)


def inspections(console: Console, form: Form) -> Listing:
    """The list that verdicts of files go to."""
    return Listing(console, *_COLUMNS, form=form)


def add_inspection(listing: Listing, result: Inspected) -> None:
    """One file's line."""
    verdict = result.verdict
    grade = verdict.grade.value
    listing.add(
        Shown(grade, grade, _STYLES[grade]),
        verdict.image_score,
        verdict.image_threshold,
        len(verdict.regions),
        str(result.path),
        _counterpart(result),
    )


def _counterpart(result: Inspected) -> str | None:
    if result.counterpart is None:
        return None
    return "convincing" if result.counterpart.convincing else "not convincing"
