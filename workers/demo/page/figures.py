"""A run's own figure as inline SVG: every frame's latency. Scores are drawn as in a report card."""

from collections.abc import Sequence
from dataclasses import replace

from workers.offline.report.plot import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Dot,
    circles,
    svg,
    x_axis,
    y_axis,
)

_LONG_MS = 5000  # beyond it latencies are told in seconds


def latency_figure(dots: Sequence[Dot], p50: float, p95: float) -> str:
    """Latency [ms] over time [s], with the median and the 95th percentile as lines."""
    if not dots:
        return ""
    scale, unit = (1000, "s") if p95 > _LONG_MS else (1, "ms")
    told = [f"p95 {spoken(p95)}", f"p50 {spoken(p50)}"]
    dots = [replace(dot, y=dot.y / scale) for dot in dots]
    p50, p95 = p50 / scale, p95 / scale
    x = Axis(0.0, max(1.0, *(dot.x for dot in dots)), LEFT, WIDTH - RIGHT)
    y = Axis(0.0, 1.1 * max(dot.y for dot in dots) + 1e-9, HEIGHT - BOTTOM, TOP)
    lines = [
        _level(y.at(p95), told[0]),
        _level(y.at(p50), told[1]),
    ]
    body = [*x_axis(x, "s"), *y_axis(y, unit), *lines, *circles(dots, x, y)]
    return svg("Latency of every frame over the run", body)


def spoken(milliseconds: float | None) -> str:
    """A latency as tile and figure both say it."""
    if milliseconds is None:
        return "-"
    if milliseconds > _LONG_MS:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms"


def _level(at: float, label: str) -> str:
    return (
        f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        f'<text class="label" x="{WIDTH - RIGHT}" y="{at - 4}" text-anchor="end">{label}</text>'
    )
