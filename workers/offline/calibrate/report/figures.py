"""Figures of a calibration: PRO over the pixel rate with the chosen point, and all good scores."""

from collections.abc import Sequence

import numpy as np

from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.share import Share
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

_BINS = 30


def rate_figure(
    curve: Sequence[tuple[float, float]], chosen_rate: float, chosen: Share | None
) -> str:
    """PRO at the rates of the table, on a logarithmic axis, and the chosen point with interval."""
    if not curve:
        return ""
    x = Axis(curve[0][0], curve[-1][0], LEFT, WIDTH - RIGHT, log=True)
    y = Axis(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    points = " ".join(f"{x.at(rate)},{y.at(pro)}" for rate, pro in curve)
    body = [*_decades(x), *y_axis(y, ""), f'<polyline class="curve c0" points="{points}"/>']
    if chosen:
        at = x.at(max(chosen_rate, curve[0][0]))
        body += [
            f'<line class="threshold" x1="{at}" x2="{at}" '
            f'y1="{y.at(chosen.low)}" y2="{y.at(chosen.high)}"/>',
            f'<circle class="dot good" cx="{at}" cy="{y.at(chosen.value)}" r="4.5">'
            f"<title>PRO {chosen} at a pixel rate of {chosen_rate:.2g}</title></circle>",
        ]
    return svg("Share of each defect region found, over the share of good pixels above", body)


def score_histogram(made: Calibration, defects: Sequence[float]) -> str:
    """How many good images have which score, with both thresholds; defects as dots above.

    Good scores fill most of the width; defects beyond it lie at its edge.
    """
    marks = [made.image_threshold, made.near_miss_threshold]
    low, high = made.image_scores[0], max(made.image_scores[-1], made.image_threshold)
    span = high - low + 1e-9
    x = Axis(low - 0.03 * span, high + (0.5 if defects else 0.03) * span, LEFT, WIDTH - RIGHT)
    counts, edges = np.histogram(made.image_scores, _BINS, (x.low, x.high))
    y = Axis(0.0, max(4.0, 1.25 * float(counts.max())), HEIGHT - BOTTOM, TOP)
    bars = [
        f'<rect class="dot good" x="{x.at(left)}" width="{x.at(right) - x.at(left):.1f}" '
        f'y="{y.at(count)}" height="{y.at(0) - y.at(count):.1f}"><title>{count} good images '
        f"from {left:.3g} to {right:.3g}</title></rect>"
        for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
        if count
    ]
    dots = [
        f'<circle class="dot bad" cx="{x.at(score)}" cy="{TOP + 6}" r="3">'
        f"<title>defect: {score:.3g}</title></circle>"
        for score in defects
    ]
    lines = [
        f'<line class="threshold" x1="{x.at(marks[0])}" x2="{x.at(marks[0])}" '
        f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"><title>threshold {marks[0]:.3g}</title></line>',
        f'<line class="level" x1="{x.at(marks[1])}" x2="{x.at(marks[1])}" '
        f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"><title>near misses from {marks[1]:.3g}</title></line>',
    ]
    return svg(
        "Scores of good images with the thresholds",
        [*x_axis(x, ""), *y_axis(y, ""), *bars, *dots, *lines],
    )


def _decades(axis: Axis) -> list[str]:
    """The bottom line with a tick at each power of ten."""
    base = HEIGHT - BOTTOM
    line = f'<line class="axis" x1="{axis.start}" x2="{axis.end}" y1="{base}" y2="{base}"/>'
    exponents = range(round(np.ceil(np.log10(axis.low) - 1e-9)), 0)
    return [line] + [
        f'<text class="tick" x="{axis.at(10.0**e)}" y="{base + 16}" text-anchor="middle">'
        f"{10.0**e:g}</text>"
        for e in exponents
    ]
