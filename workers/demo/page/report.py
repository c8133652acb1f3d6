"""One self-contained HTML page of a run: the numbers, and every kind of verdict as pictures.

Small pictures are inlined, so the page can be mailed; their number is bounded, the rest is linked.
The whole ones lie beside it, a click away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.tally import Tally
from workers.demo.page.figures import latency_figure, spoken
from workers.offline.evaluate.report.figures import jitter, score_figure
from workers.offline.report.page import Album, environment
from workers.offline.report.plot import Dot

MOST_DEFECTS = 24
MOST_OTHERS = 8  # missed, false alarms, passed: each
_PICTURES = ("frame", "heatmap", "outline", "counterpart")  # truth, where something was missed


@dataclass(frozen=True, slots=True)
class Card:
    """One frame on the page."""

    title: str
    camera: str
    score: float
    threshold: float
    truth: str | None
    right: bool | None  # None: the truth is not known
    pictures: Mapping[str, bytes]  # by name in _PICTURES; PNG or JPEG
    note: str = ""
    size: tuple[int, int] = (1, 1)  # (width, height) as captured: pictures are shown in its shape

    @property
    def fill(self) -> float:
        """The score as a bar's width in percent: 50 at the threshold, whatever its sign."""
        excess = (self.score - self.threshold) / max(abs(self.threshold), 1e-9)
        return 50.0 + 48.0 * math.tanh(excess / 2)


@dataclass(frozen=True, slots=True)
class Section:
    """Cards of one kind."""

    heading: str
    lede: str
    cards: Sequence[Card]
    left_out: int = 0
    captions: tuple[str, ...] = _PICTURES
    rest: str = "pictures"  # the folder that shows those left out; empty: nowhere


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the page shows."""

    summary: Mapping[str, Any]
    when: str
    sections: Sequence[Section]
    figures: Mapping[str, str]  # name -> SVG
    rejected: Sequence[Mapping[str, str]] = ()
    alarms: Sequence[Mapping[str, Any]] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def render_page(page: Page, path: Path) -> str:
    """The HTML text of a page that will lie at `path`; writes its whole pictures beside it."""
    made = environment(__package__)
    made.filters["latency"] = spoken
    template = made.get_template("report.html.j2")
    return template.render(page=page, album=Album(path), headline=headline(page.summary))


def write_page(page: Page, path: Path) -> Path:
    """Write the page; returns its path."""
    path.write_text(render_page(page, path), encoding="utf-8", errors="backslashreplace")
    return path


def headline(summary: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    frames, quality = summary["frames"], summary["quality"]
    if quality is None:
        return f"{frames['defective']} of {frames['inspected']} frames raised a defect"
    bad = quality["true_alarms"] + quality["missed"]
    alarms = quality["false_alarms"]
    false = f"{alarms} false alarm{'' if alarms == 1 else 's'}" if alarms else "no false alarm"
    return f"{quality['true_alarms']} of {bad} defects found, {false}"


def figures(
    books: Tally, sent: Mapping[str, SentFrame], latency: Mapping[str, float | None]
) -> dict[str, str]:
    """The two figures of a run; `latency` as its summary says it, so that all say the same."""
    timed = [o for o in books.outcomes.values() if o.captured_at is not None and o.latency_ms]
    start = min((o.captured_at or 0.0 for o in timed), default=0.0)
    over_time = [
        Dot((o.captured_at or 0.0) - start, o.latency_ms or 0.0, _style(o, sent), _tip(o, sent))
        for o in timed
    ]
    p50, p95 = (latency[name] or 0.0 for name in ("p50", "p95"))
    return {"latency": latency_figure(over_time, p50, p95), "scores": _scores(books, sent)}


def _scores(books: Tally, sent: Mapping[str, SentFrame]) -> str:
    scored = [o for o in books.outcomes.values() if o.score is not None and o.threshold is not None]
    kinds = sorted({_truth(o, sent) for o in scored}, key=lambda name: (name == "good", name))
    dots = [
        Dot(
            o.score or 0.0, kinds.index(_truth(o, sent)) + jitter(n), _style(o, sent), _tip(o, sent)
        )
        for n, o in enumerate(scored)
    ]
    return score_figure(dots, scored[0].threshold or 0.0, kinds) if scored else ""


def _truth(outcome: Observed, sent: Mapping[str, SentFrame]) -> str:
    return sent[outcome.frame_id or ""].truth or "unknown"


def _style(outcome: Observed, sent: Mapping[str, SentFrame]) -> str:
    if outcome.rejected:
        return "dot rejected"
    return "dot bad" if sent[outcome.frame_id or ""].defective else "dot good"


def _tip(outcome: Observed, sent: Mapping[str, SentFrame]) -> str:
    frame = sent[outcome.frame_id or ""]
    score = f", score {outcome.score:.3g}" if outcome.score is not None else ""
    verdict = outcome.verdict or outcome.rejected
    return f"{frame.camera_id} #{frame.sequence}: {frame.truth or 'unknown'} -> {verdict}{score}"
