"""Two small figures as inline SVG: every frame's latency, and every score beside the threshold.

Pure strings; colours come from the page's style sheet, so they follow dark and light.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

WIDTH, HEIGHT = 520, 190
_LONG_MS = 5000  # beyond it latencies are told in seconds
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30


@dataclass(frozen=True, slots=True)
class Dot:
    """A frame in a figure."""

    x: float
    y: float
    style: str  # a class of the style sheet
    title: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values onto pixels; logarithmic where values span decades."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value, clipped to the axis."""
        low, high, value = (self._scale(v) for v in (self.low, self.high, value))
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """About four round values."""
        return _decades(self.low, self.high) if self.log else _steps(self.low, self.high)

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def latency_figure(dots: Sequence[Dot], p50: float, p95: float) -> str:
    """Latency [ms] over time [s], with the median and the 95th percentile as lines."""
    if not dots:
        return ""
    scale, unit, pattern = (1000, "s", ".1f") if p95 > _LONG_MS else (1, "ms", ".0f")
    dots = [replace(dot, y=dot.y / scale) for dot in dots]
    p50, p95 = p50 / scale, p95 / scale
    x = Axis(0.0, max(1.0, *(dot.x for dot in dots)), _LEFT, WIDTH - _RIGHT)
    y = Axis(0.0, 1.1 * max(dot.y for dot in dots) + 1e-9, HEIGHT - _BOTTOM, _TOP)
    lines = [
        _level(y.at(p95), f"p95 {p95:{pattern}} {unit}"),
        _level(y.at(p50), f"p50 {p50:{pattern}} {unit}"),
    ]
    body = [*_x_axis(x, "s"), *_y_axis(y, unit), *lines, *_circles(dots, x, y)]
    return _svg("Latency of every frame over the run", body)


def score_figure(dots: Sequence[Dot], threshold: float, rows: Sequence[str]) -> str:
    """Image scores on one axis, one row for each truth, with the threshold as a line."""
    if not dots:
        return ""
    values = [dot.x for dot in dots] + [threshold]
    log = min(values) > 0 and max(values) / min(values) > 30
    pad = 1.0 if log else 0.04 * (max(values) - min(values)) + 1e-9
    low, high = (min(values) * 0.9, max(values) * 1.1) if log else (min(values), max(values))
    x = Axis(low - (0 if log else pad), high + (0 if log else pad), 96, WIDTH - _RIGHT, log)
    y = Axis(-0.5, len(rows) - 0.5, HEIGHT - _BOTTOM - 14, _TOP + 14)
    at = x.at(threshold)
    body = [
        *_x_axis(x, ""),
        f'<line class="threshold" x1="{at}" x2="{at}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>',
        _threshold(at, f"threshold {threshold:.3g}"),
        *(_row(name, y.at(row)) for row, name in enumerate(rows)),
        *_circles(dots, x, y),
    ]
    return _svg("Image score of every frame beside the threshold", body)


def jitter(index: int) -> float:
    """A fixed offset in [-0.3, 0.3) that spreads equal dots (golden-ratio sequence)."""
    return (index * 0.6180339887 % 1 - 0.5) * 0.6


def _svg(title: str, body: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(body)}</svg>'
    )


def _circles(dots: Iterable[Dot], x: Axis, y: Axis) -> Iterable[str]:
    return (
        f'<circle class="{dot.style}" cx="{x.at(dot.x)}" cy="{y.at(dot.y)}" r="3.2">'
        f"<title>{escape(dot.title)}</title></circle>"
        for dot in dots
    )


def _x_axis(axis: Axis, unit: str) -> Iterable[str]:
    base = HEIGHT - _BOTTOM
    yield f'<line class="axis" x1="{axis.start}" x2="{axis.end}" y1="{base}" y2="{base}"/>'
    for tick in axis.ticks():
        yield (
            f'<text class="tick" x="{axis.at(tick)}" y="{base + 16}" text-anchor="middle">'
            f"{tick:g}{' ' + unit if unit else ''}</text>"
        )


def _y_axis(axis: Axis, unit: str) -> Iterable[str]:
    for tick in axis.ticks():
        at = axis.at(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
        yield (
            f'<text class="tick" x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">'
            f"{tick:g} {unit}</text>"
        )


def _threshold(at: float, label: str) -> str:
    """The line's label, on the side where there is room."""
    left = at > 0.75 * WIDTH
    x, anchor = (at - 5, "end") if left else (at + 5, "start")
    return f'<text class="label" x="{x}" y="{_TOP + 9}" text-anchor="{anchor}">{label}</text>'


def _row(name: str, at: float) -> str:
    return f'<text class="label" x="88" y="{at + 4}" text-anchor="end">{escape(name[:14])}</text>'


def _level(at: float, label: str) -> str:
    return (
        f'<line class="level" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
        f'<text class="label" x="{WIDTH - _RIGHT}" y="{at - 4}" text-anchor="end">{label}</text>'
    )


def _steps(low: float, high: float) -> list[float]:
    raw = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(s * scale for s in (1, 2, 5, 10) if s * scale >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [factor * 10.0**e for e in exponents for factor in (1, 3)]
    return [mark for mark in marks if low <= mark <= high]
