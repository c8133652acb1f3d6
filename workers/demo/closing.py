"""The last words of a run in the terminal."""

from rich.console import Console

from workers.demo.conclude import Ending
from workers.demo.page.report import headline
from workers.runtime.host.terminal import Table, text


def say_ending(ending: Ending, console: Console) -> None:
    """Numbers, what failed, and where to look."""
    summary = ending.summary
    frames, delays, quality = summary["frames"], summary["latency_ms"], summary["quality"]
    console.print()
    console.print(text((headline(summary), "bold")))
    table = Table.grid(padding=(0, 3))
    for name in ("sent", "inspected", "defective", "rejected", "lost", "repeated", "duplicated"):
        wrong = name in ("lost", "duplicated") and frames[name]
        table.add_row(name, text((frames[name], "bold red" if wrong else "")))
    table.add_row("frames/s", _figure(summary["throughput_fps"], ".1f"))
    table.add_row(
        "latency", f"p50 {_figure(delays['p50'], '.0f')} ms, p95 {_figure(delays['p95'], '.0f')} ms"
    )
    for name in ("precision", "recall", "image_auroc", "pixel_auroc", "aupro_30"):
        if quality:
            table.add_row(name.replace("_", " "), _figure(quality[name], ".3f"))
    console.print(table)
    for failure in ending.failures:
        console.print(text((failure, "red")))
    if ending.interrupted:
        console.print(text(("Interrupted: what was sent last may have no outcome.", "yellow")))
    console.print(text(f"Report: {ending.report}"), soft_wrap=True)


def _figure(value: float | None, pattern: str) -> str:
    return "n/a" if value is None else format(value, pattern)
