"""Methods side by side, as a terminal table."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD

from workers.offline.compare.methods import OURS, Row
from workers.offline.scoring.columns import COLUMNS, number
from workers.runtime.host.terminal import Table


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
            *(number(getattr(row.ranking, metric)) for metric in metrics.values()),
            "given" if row.fit_seconds is None else f"{row.fit_seconds:.1f}",
            f"{row.ms_per_image:.1f}",
            f"{row.megabytes:.1f}",
            style="bold" if row.method == OURS else None,
        )
        previous = row.category
    return table
