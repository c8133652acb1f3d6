"""The figure of escapes against false alarms, with the chosen point and the limits."""

from collections.abc import Sequence

from stream_inspector.threshold.share import Share
from stream_inspector.threshold.trade_off import Point, Settled, TradeOff
from workers.offline.report.plot import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    svg,
    x_axis,
    y_axis,
)

_X = Axis(0.0, 1.0, LEFT, WIDTH - RIGHT)
_Y = Axis(0.0, 1.0, HEIGHT - BOTTOM, TOP)


def trade_off_figure(
    known: TradeOff | None, painted: TradeOff | None, chosen: float, settled: Settled | None
) -> str:
    """Escapes over false alarms: known defects with their interval, painted ones as a thin line."""
    drawn = known or painted
    if drawn is None:
        return ""
    body = [*_grid(), *_band(known), *_line(painted, "c2"), *_line(known, "c0")]
    if settled:
        body += _limits(settled)
    points = [drawn.at(chosen)]
    if settled and not settled.both_hold:
        points = [settled.by_false_alarms, settled.by_escapes]
    for point in points:
        body += _cross(point, taken=point.threshold == chosen)
    return svg(
        "Share of defective images that pass, over the share of good images that alarm", body
    )


def _grid() -> Sequence[str]:
    return [*x_axis(_X, ""), *y_axis(_Y, "")]


def _line(of: TradeOff | None, style: str) -> list[str]:
    if of is None:
        return []
    points = " ".join(_at(each.false_alarms.value, each.escapes.value) for each in of.curve())
    return [f'<polyline class="curve {style}" points="{points}"/>']


def _band(of: TradeOff | None) -> list[str]:
    """Where the escapes lie with the stated confidence."""
    if of is None:
        return []
    curve = of.curve()
    upper = [_at(each.false_alarms.value, each.escapes.high) for each in curve]
    lower = [_at(each.false_alarms.value, each.escapes.low) for each in reversed(curve)]
    return [f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>']


def _limits(settled: Settled) -> list[str]:
    """What was stated: at most so many pass, at most so many alarm."""
    across = _Y.at(settled.most_escapes)
    lines = [f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{across}" y2="{across}"/>']
    if settled.most_false_alarms is not None:
        up = _X.at(settled.most_false_alarms)
        lines.append(f'<line class="level" x1="{up}" x2="{up}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    return lines


def _cross(point: Point, *, taken: bool) -> list[str]:
    """A point with both of its intervals."""
    alarms, escapes = point.false_alarms, point.escapes
    x, y = _X.at(alarms.value), _Y.at(escapes.value)
    said = f"threshold {point.threshold:.3g}: {_said(escapes)} pass, {_said(alarms)} alarm"
    return [
        f'<line class="threshold" x1="{x}" x2="{x}" y1="{_Y.at(escapes.low)}" '
        f'y2="{_Y.at(escapes.high)}"/>',
        f'<line class="threshold" x1="{_X.at(alarms.low)}" x2="{_X.at(alarms.high)}" '
        f'y1="{y}" y2="{y}"/>',
        f'<circle class="dot {"good" if taken else "bad"}" cx="{x}" cy="{y}" r="4.5">'
        f"<title>{said}</title></circle>",
    ]


def _said(share: Share) -> str:
    return str(share).replace("(", "[").replace(")", "]")


def _at(false_alarms: float, escapes: float) -> str:
    return f"{_X.at(false_alarms)},{_Y.at(escapes)}"
