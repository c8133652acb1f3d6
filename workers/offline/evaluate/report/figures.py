"""The figures of a report card: every score beside the threshold, and the PRO curve."""

from collections.abc import Mapping, Sequence
from html import escape

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
from workers.offline.scoring.ranking import CURVE_RATES

_NAMES, _CHARACTER = 12, 9  # units of the figure: beside a row's name, and a character on a phone
_LONGEST = 22  # characters


def score_figure(dots: Sequence[Dot], threshold: float, rows: Sequence[str]) -> str:
    """Image scores on one axis, one row for each truth, with the threshold as a line."""
    if not dots:
        return ""
    values = [dot.x for dot in dots] + [threshold]
    log = min(values) > 0 and max(values) / min(values) > 30
    pad = 1.0 if log else 0.04 * (max(values) - min(values)) + 1e-9
    low, high = (min(values) * 0.9, max(values) * 1.1) if log else (min(values), max(values))
    names = [shortened(name) for name in rows]
    start = _NAMES + _CHARACTER * max(map(len, names), default=0)
    x = Axis(low - (0 if log else pad), high + (0 if log else pad), start, WIDTH - RIGHT, log)
    y = Axis(-0.5, len(rows) - 0.5, HEIGHT - BOTTOM - 14, TOP + 14)
    at = x.at(threshold)
    body = [
        *x_axis(x, ""),
        f'<line class="threshold" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
        _threshold(at, f"threshold {threshold:.3g}"),
        *(_row(name, y.at(row), start) for row, name in enumerate(names)),
        *circles(dots, x, y),
    ]
    return svg("Image score of every frame beside the threshold", body)


def pro_figure(curves: Mapping[str, Sequence[float]]) -> str:
    """PRO over the pixel false-positive rate up to 0.3; the first curve stands out."""
    drawn = {name: pro for name, pro in curves.items() if pro}
    if not drawn:
        return ""
    x, y = Axis(0.0, 0.3, LEFT, WIDTH - RIGHT), Axis(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    lines = [_curve(name, pro, x, y, rank) for rank, (name, pro) in enumerate(drawn.items())]
    limit = x.at(0.05)
    at_05 = f'<line class="level" x1="{limit}" x2="{limit}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    return svg(
        "Share of each defect region found, over the share of good pixels above the threshold",
        [*x_axis(x, ""), *y_axis(y, ""), at_05, *reversed(lines)],
    )


def _curve(name: str, pro: Sequence[float], x: Axis, y: Axis, rank: int) -> str:
    points = " ".join(
        f"{x.at(float(rate))},{y.at(value)}" for rate, value in zip(CURVE_RATES, pro, strict=True)
    )
    title = f"<title>{escape(name)}</title>"
    return f'<polyline class="curve c{rank}" points="{points}">{title}</polyline>'


def jitter(index: int) -> float:
    """A fixed offset in [-0.3, 0.3) that spreads equal dots (golden-ratio sequence)."""
    return (index * 0.6180339887 % 1 - 0.5) * 0.6


def _threshold(at: float, label: str) -> str:
    """The line's label, on the side where there is room."""
    left = at > 0.75 * WIDTH
    x, anchor = (at - 5, "end") if left else (at + 5, "start")
    return f'<text class="label" x="{x}" y="{TOP + 9}" text-anchor="{anchor}">{label}</text>'


def shortened(name: str) -> str:
    """With its end, which tells kinds of one sort apart."""
    return name if len(name) <= _LONGEST else f"{name[:11]}…{name[-10:]}"


def _row(name: str, at: float, start: float) -> str:
    return (
        f'<text class="label" x="{start - 8}" y="{at + 4}" text-anchor="end">{escape(name)}</text>'
    )
