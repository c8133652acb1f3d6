"""The figure of `make bench-thresholds`: how often thresholds kept what they promised, as SVG."""

import math
from collections.abc import Sequence
from html import escape
from typing import Protocol

WIDTH, HEIGHT = 900, 345
_TOP, _BOTTOM, _LEFT, _SPLIT = 40, 250, 50, 480
_COLOURS = ("#2457c5", "#2f7d5b", "#a16207", "#7c3aed", "#0e7490", "#c2410c")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#5d6470}.title{font-weight:600}"
    ".promise{stroke:#888;stroke-dasharray:4 4}line{stroke:#bbb}polyline{fill:none;stroke-width:2}"
)


class Row(Protocol):
    """What is drawn of a measurement."""

    @property
    def name(self) -> str:
        """What was asked."""

    @property
    def n(self) -> int:
        """Good images that calibrated."""

    @property
    def within(self) -> float:
        """Share of calibrations within the certified rate."""

    @property
    def expected(self) -> float:
        """What it should be at least."""


def draw(simulated: Sequence[Row], real: Sequence[Row]) -> str:
    """Left: simulation, a curve for each distribution over n. Right: real images at their largest
    n, dots beside the promise."""
    body = [*_simulation(simulated), *_real(real)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="How often thresholds keep what they promise">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(body)}</svg>\n"
    )


def _simulation(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(row.name for row in rows))
    low, high = (math.log(f(row.n for row in rows)) for f in (min, max))

    def x(n: int) -> float:
        return _LEFT + (math.log(n) - low) / (high - low) * (_SPLIT - 60 - _LEFT)

    body = [_text(_LEFT, 20, "Simulation: calibrations within the certified rate", "title")]
    body += _scale(_LEFT, _SPLIT - 60)
    for n in sorted({row.n for row in rows}):
        body.append(_text(x(n), _BOTTOM + 16, str(n), anchor="middle"))
    body.append(_text(_SPLIT - 60, _BOTTOM + 32, "good images", anchor="end"))
    for rank, name in enumerate(names):
        points = " ".join(f"{x(r.n):.1f},{_y(r.within):.1f}" for r in rows if r.name == name)
        colour = _COLOURS[rank % len(_COLOURS)]
        body.append(f'<polyline points="{points}" stroke="{colour}"><title>{escape(name)}</title>')
        body.append("</polyline>")
        left, line = _LEFT + 210 * (rank % 2), _BOTTOM + 48 + 16 * (rank // 2)
        body.append(f'<rect x="{left}" y="{line - 8}" width="12" height="4" fill="{colour}"/>')
        body.append(_text(left + 18, line - 2, name))
    return body


def _real(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    last = {row.name: row for row in rows}  # the largest n of each
    left, right = _SPLIT + 40, WIDTH - 15
    body = [_text(left, 20, "Real images, at their largest n: the same; promise as a bar", "title")]
    body += _scale(left, right, promise=False)
    step = (right - left) / len(last)
    for index, row in enumerate(last.values()):
        at = left + (index + 0.5) * step
        kind = index % 2
        body.append(
            f'<line x1="{at - 9:.1f}" x2="{at + 9:.1f}" y1="{_y(row.expected):.1f}" '
            f'y2="{_y(row.expected):.1f}" style="stroke:#444;stroke-width:2"/>'
        )
        body.append(
            f'<circle cx="{at:.1f}" cy="{_y(row.within):.1f}" r="5" fill="{_COLOURS[kind]}">'
            f"<title>{escape(row.name)}, n = {row.n}: {row.within:.1%}, promised "
            f"{row.expected:.1%}</title></circle>"
        )
        if kind == 1:
            category = row.name.split(",")[0]
            between = at - step / 2
            body.append(_text(between, _BOTTOM + 16, f"{category}, {row.n}", anchor="middle"))
    kinds = [name.split(", ", 1)[1] for name in list(last)[:2]]
    for rank, kind in enumerate(kinds):
        line = _BOTTOM + 48 + 16 * rank
        body.append(f'<circle cx="{left + 6}" cy="{line - 6}" r="5" fill="{_COLOURS[rank]}"/>')
        body.append(_text(left + 18, line - 2, kind))
    return body


def _scale(left: float, right: float, *, promise: bool = True) -> list[str]:
    body = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = _y(share)
        body.append(f'<line x1="{left}" x2="{right}" y1="{at}" y2="{at}"/>')
        body.append(_text(left - 6, at + 4, f"{share:.0%}", anchor="end"))
    if promise:
        at = _y(0.95)
        body.append(f'<line class="promise" x1="{left}" x2="{right}" y1="{at}" y2="{at}"/>')
    return body


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
