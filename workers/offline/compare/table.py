"""Methods side by side, as a list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from stream_inspector.baselines import METHODS, OURS_PUBLISHED, Published
from workers.offline.compare.methods import OURS, Row
from workers.offline.scoring.columns import COLUMNS, number
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Kind, Listing, Shown

_METRICS = {name: key for name, key in COLUMNS.items() if not key.startswith("large")}
_COLUMNS = (
    *(Column("category"), Column("method")),
    *(Column(head.replace("@", " @"), name=name, right=True) for head, name in _METRICS.items()),
    Column("published", kind=Kind.EXTRA, right=True),
    Column("trained", name="iterations", kind=Kind.EXTRA, right=True),
    Column("fit s", name="fit_seconds", right=True),
    Column("ms an image", name="ms_per_image", right=True, pattern=".1f"),
    Column("MB", name="megabytes", right=True, pattern=".1f"),
)
_NOTES = (
    "published: pixel AUROC / AUPRO@0.3 in per cent, means over MVTec AD's 15 categories, "
    "by their authors; not measured here",
    "trained: iterations; fit and ms: with the features; "
    "MB: beside the feature network, which most share",
)


def tell_comparison(rows: Iterable[Row], console: Console) -> None:
    """Ranking metrics, time and memory, one line a category and method."""
    listing = Listing(console, *_COLUMNS, title="Same good images, features, blur and metrics")
    previous = ""
    for row in rows:
        if previous not in {"", row.category}:
            listing.rule()
        _add(listing, row)
        previous = row.category
    listing.close()
    for said in _NOTES:
        console.print(text((said, "dim italic")))


def published(method: str) -> Published | None:
    """What a method's authors, or ours, report; None for variants and the library's models."""
    if method == OURS:
        return OURS_PUBLISHED
    return METHODS[method].published if method in METHODS else None


def write_csv(rows: Iterable[Row], file: Path) -> None:
    """The same for programs."""
    with Listing.into(file, *_COLUMNS) as listing:
        for row in rows:
            _add(listing, row)


def _add(listing: Listing, row: Row) -> None:
    figures: list[Any] = [getattr(row.ranking, metric) for metric in _METRICS.values()]
    fit = row.fit_seconds
    listing.add(
        row.category,
        row.method,
        *(Shown(value, number(value)) for value in figures),
        _published(row.method),
        Shown(row.iterations, "" if row.iterations is None else str(row.iterations)),
        Shown(fit, "given" if fit is None else f"{fit:.1f}"),
        row.ms_per_image,
        row.megabytes,
        style="bold" if row.method == OURS else "",
    )


def _published(method: str) -> Shown:
    known = published(method)
    figures = "" if known is None else " / ".join("-" if f is None else f"{f:.1f}" for f in known)
    return Shown(figures, figures, "dim")
