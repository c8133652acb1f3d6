"""Axes and frames of small figures as inline SVG.

Pure strings; colours come from the page's style sheet, so they follow dark and light.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 30


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


def svg(title: str, body: Iterable[str]) -> str:
    """The figure; `title` is read out in place of it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(body)}</svg>'
    )


def circles(dots: Iterable[Dot], x: Axis, y: Axis) -> Iterable[str]:
    """The dots, each with its title as a tip."""
    return (
        f'<circle class="{dot.style}" cx="{x.at(dot.x)}" cy="{y.at(dot.y)}" r="3.2">'
        f"<title>{escape(dot.title)}</title></circle>"
        for dot in dots
    )


def x_axis(axis: Axis, unit: str) -> Iterable[str]:
    """A line at the bottom with ticks."""
    base = HEIGHT - BOTTOM
    yield f'<line class="axis" x1="{axis.start}" x2="{axis.end}" y1="{base}" y2="{base}"/>'
    for tick in axis.ticks():
        yield (
            f'<text class="tick" x="{axis.at(tick)}" y="{base + 16}" text-anchor="middle">'
            f"{tick:g}{' ' + unit if unit else ''}</text>"
        )


def y_axis(axis: Axis, unit: str) -> Iterable[str]:
    """A thin line at each tick."""
    for tick in axis.ticks():
        at = axis.at(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        yield (
            f'<text class="tick" x="{LEFT - 6}" y="{at + 4}" text-anchor="end">'
            f"{tick:g}{' ' + unit if unit else ''}</text>"
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
