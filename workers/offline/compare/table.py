"""Methods side by side, as a list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from workers.offline.compare.methods import OURS, Row
from workers.offline.scoring.columns import COLUMNS, number
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Listing, Shown

_METRICS = {name: key for name, key in COLUMNS.items() if not key.startswith("large")}
_COLUMNS = (
    *(Column("category"), Column("method")),
    *(Column(head.replace("@", " @"), name=name, right=True) for head, name in _METRICS.items()),
    Column("fit s", name="fit_seconds", right=True),
    Column("ms an image", name="ms_per_image", right=True, pattern=".1f"),
    Column("MB", name="megabytes", right=True, pattern=".1f"),
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
    said = "fit and ms: with the features; MB: beside the feature network, which all share"
    console.print(text((said, "dim italic")))


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
        Shown(fit, "given" if fit is None else f"{fit:.1f}"),
        row.ms_per_image,
        row.megabytes,
        style="bold" if row.method == OURS else "",
    )
