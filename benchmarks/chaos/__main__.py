"""`python -m benchmarks.chaos`: break things under load and count what is lost or repeated."""

import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.chaos.faults import ROWS, Row
from benchmarks.chaos.report import as_markdown
from benchmarks.chaos.run import Result, run_rows, world

console = Console()


def main(
    rows: Annotated[
        str, typer.Option(help=f"which, comma separated; default all: {', '.join(ROWS)}")
    ] = "",
    repeats: Annotated[int, typer.Option(help="faults of each row; 0: as many as it has")] = 0,
    rate: Annotated[float, typer.Option(help="frames/s of each of the 7 cameras")] = 6.0,
    short: Annotated[
        bool, typer.Option(help="what no test has on its own, once, on one stage")
    ] = False,
    out: Annotated[Path, typer.Option(help="folder of chaos.json and chaos.md")] = Path(
        "runs/chaos"
    ),
) -> None:
    """Kill, freeze, cut off and poison, under steady load, on Apache Kafka.

    An independent reader of committed records says what was lost, repeated or out of order. Ends
    with exit code 1 if anything was.

    Examples:

      python -m benchmarks.chaos

      python -m benchmarks.chaos --rows kill,broker --repeats 3

      python -m benchmarks.chaos --short
    """
    chosen = _chosen(rows, short=short)
    results: list[Result] = []
    out.mkdir(parents=True, exist_ok=True)
    for brokers, group in groupby(chosen, lambda row: row.brokers):
        with world(brokers) as there:
            rows_of_cluster = list(group)
            stages = [rows_of_cluster] if short else [[row] for row in rows_of_cluster]
            for number, stage_rows in enumerate(stages):
                result = run_rows(
                    stage_rows,
                    lambda row: 1 if short else repeats or row.repeats,
                    there,
                    rate=rate,
                    name=f"c{brokers}-{number}",
                    say=console.print,
                )
                results.append(result)
                _write(out, results)
                for surprise in result.surprises:
                    console.print(surprise, markup=False)
    console.print((out / "chaos.md").read_text(), markup=False)
    sys.exit(0 if all(result.good for result in results) else 1)


def _chosen(names: str, *, short: bool) -> list[Row]:
    unknown = [name for name in names.split(",") if name and name not in ROWS]
    if unknown:
        raise typer.BadParameter(f"--rows: {', '.join(unknown)}; known: {', '.join(ROWS)}")
    rows = [ROWS[name] for name in names.split(",")] if names else list(ROWS.values())
    return [row for row in rows if row.short or not short]


def _write(out: Path, results: list[Result]) -> None:
    """After each row, so that a run that is stopped leaves what it has."""
    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "command": "python -m benchmarks.chaos " + " ".join(sys.argv[1:]),
    }
    content = about | {"results": [asdict(result) for result in results]}
    (out / "chaos.json").write_text(json.dumps(content, indent=1))
    (out / "chaos.md").write_text(as_markdown(about, results))


if __name__ == "__main__":
    typer.run(main)
