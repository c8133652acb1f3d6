"""The shell on Apache Kafka: what it costs, how it scales, its memory: `make bench-stream`.

Workers with a null detector: nothing is inspected, everything else is done. A bare loop (consume
with kafka-python, decode with Pillow) over the same records stands beside each figure.
"""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.stream import measures
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.settings.process import KafkaSettings

PARTS = ("cost", "scaling", "latency", "soak")
_BATCHES = (1, 8, 32, 128, 256)
_TABLE_ROWS = 13  # of a soak

Rows = tuple[str, tuple[str, ...], list[tuple[str, ...]]]  # title, columns, rows


def main(
    *,
    part: Annotated[list[str] | None, typer.Option(help="repeatable; default: all")] = None,
    kinds: Annotated[str, typer.Option(help="png, jpeg")] = "png,jpeg",
    sizes: Annotated[str, typer.Option(help="kilobytes of a frame")] = "50,500,5000",
    workers: Annotated[str, typer.Option(help="worker processes")] = "1,2,4",
    megabytes: Annotated[int, typer.Option(help="cost: frames sent for each figure")] = 80,
    seconds: Annotated[float, typer.Option(help="scaling: for how long")] = 6.0,
    repeats: Annotated[int, typer.Option(help="latency: publications for each figure")] = 40,
    soak_minutes: Annotated[float, typer.Option(help="soak: for how long")] = 5.0,
    rate: Annotated[float, typer.Option(help="soak: frames a second")] = 30.0,
    markdown: Annotated[Path | None, typer.Option(help="also write the tables there")] = None,
) -> None:
    """Measure and print a table for each part.

    Example: python -m benchmarks.stream.__main__ --part cost --sizes 50 --workers 1
    """
    console, counts = Console(width=120), _numbers(workers)
    tables: list[Rows] = []
    with ApacheKafka() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        for each in part or PARTS:
            console.print(f"{each} ... (load {os.getloadavg()[0]:.1f})")
            if each == "cost":
                sized = [1000 * size for size in _numbers(sizes)]
                given = (kinds.split(","), sized, counts, 10**6 * megabytes)
                tables.append(_costs(list(measures.costs(kafka, *given))))
            elif each == "scaling":
                tables.append(_rates(list(measures.scaling(kafka, counts, seconds))))
            elif each == "latency":
                tables.append(_latencies(list(measures.latencies(kafka, _BATCHES, repeats))))
            elif each == "soak":
                length, every_s = 60 * soak_minutes, min(10.0, 5 * soak_minutes)
                found = measures.soak(kafka, length, rate, every_s, console.print)
                tables.append(_soak(found, rate))
            else:
                raise typer.BadParameter(f"{each!r} is none of {', '.join(PARTS)}")
            console.print(_printed(tables[-1]))
    if markdown:
        markdown.write_text(_heading() + "".join(map(_markdown, tables)))


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _costs(found: Sequence[measures.Cost]) -> Rows:
    work = ("frame", "delivery", "workers", "worker", "of it decoding", "bare loop", "ratio")
    columns = (*work, "frames/s", "idle, a second")
    rows: list[tuple[str, ...]] = [
        (
            f"{c.size // 1000} KB {c.kind}",
            c.delivery,
            str(c.workers),
            f"{c.worker_ms:.2f}",
            f"{c.decode_ms:.2f}",
            f"{c.bare_ms:.2f}",
            f"{c.ratio:.2f}",
            f"{c.per_second:.0f}",
            f"{c.idle_ms:.0f}",
        )
        for c in sorted(found, key=lambda c: (c.kind, c.size, c.delivery, c.workers))
    ]
    return "CPU-milliseconds a frame, null detector", columns, rows


def _rates(found: Sequence[measures.Rate]) -> Rows:
    columns = ("workers", "frames/s", "ideal", "share")
    rows: list[tuple[str, ...]] = [
        (
            str(r.workers),
            f"{r.per_second:.1f}",
            f"{r.ideal:.0f}",
            f"{100 * r.per_second / r.ideal:.0f} %",
        )
        for r in found
    ]
    return f"A detector that waits {measures.WAIT_MS} ms a frame", columns, rows


def _latencies(found: Sequence[measures.Latency]) -> Rows:
    columns = ("delivery", "outcomes", "median ms", "95 % ms", "ms an outcome")
    rows: list[tuple[str, ...]] = [
        (
            each.delivery,
            str(each.messages),
            f"{each.median_ms:.1f}",
            f"{each.p95_ms:.1f}",
            f"{each.median_ms / each.messages:.2f}",
        )
        for each in found
    ]
    return "Publication of outcomes with their positions", columns, rows


def _soak(found: Sequence[measures.Sample], rate: float) -> Rows:
    step = max(1, len(found) // _TABLE_ROWS)
    rows: list[tuple[str, ...]] = [
        (f"{s.minutes:.1f}", str(s.frames), f"{s.rss_mib:.1f}", f"{s.cpu_ms:.2f}")
        for s in found[::step]
    ]
    drift = measures.drift_mib(found)
    title = f"Soak at {rate:g} frames/s; last quarter over the third one: {drift:+.1f} MiB"
    return title, ("minutes", "frames", "resident MiB", "CPU-ms a frame"), rows


def _heading() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}\n"


def _printed(content: Rows) -> Table:
    title, columns, rows = content
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(content: Rows) -> str:
    title, columns, rows = content
    lines = (" | ".join(row) for row in (columns, ["---"] * len(columns), *rows))
    return f"\n{title}\n\n" + "".join(f"| {each} |\n" for each in lines)


if __name__ == "__main__":
    typer.run(main)
