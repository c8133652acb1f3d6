"""The run in numbers: what `--summary FILE` writes and what the report page shows."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.tally import Tally, percentile
from workers.offline.scoring.ranking import Ranking, operating_point, rank_images


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the books do not say: how the run was set up."""

    category: str
    preset: str
    model_version: str
    model_origin: str
    calibration_id: str
    promise: str
    engine: str
    train_seconds: float | None  # None: the model was not trained in this run
    cameras: int
    workers: int
    rate_fps: float  # of one camera
    delivery: str


@dataclass(frozen=True, slots=True)
class PixelQuality:
    """Pixel metrics of the streamed frames, and how they were measured."""

    ranking: Ranking
    how: str


def summarise(
    books: Tally,
    sent: Mapping[str, SentFrame],
    facts: RunFacts,
    pixel: PixelQuality | None = None,
    alarms: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Plain JSON types. Keys are stable: other programs read them."""
    return {
        "frames": {
            "sent": books.sent,
            "inspected": books.inspected,
            "defective": books.defective,
            "near_misses": books.near_misses,
            "rejected": books.rejected,
            "lost": len(books.lost),
            "repeated": books.repeated,
            "duplicated": len(books.duplicated),
            "unknown": books.unknown,
        },
        "latency_ms": latency(list(books.outcomes.values())),
        "throughput_fps": throughput(list(books.outcomes.values())),
        "quality": quality(books, sent, pixel),
        "rejected_by_reason": _count(o.rejected for o in books.outcomes.values() if o.rejected),
        "frames_by_worker": _count(o.worker_id for o in books.outcomes.values()),
        "alarms": dict(alarms or {}),
        "run": asdict(facts),
        "machine": machine(),
    }


def latency(outcomes: Sequence[Observed]) -> dict[str, float | None]:
    """Capture until the outcome can be read from its topic; also until the verdict alone."""
    whole = [o.latency_ms for o in outcomes if o.latency_ms is not None]
    verdict = [o.verdict_ms for o in outcomes if o.verdict_ms is not None]
    return {
        "p50": _rounded(percentile(whole, 0.5)),
        "p95": _rounded(percentile(whole, 0.95)),
        "verdict_p50": _rounded(percentile(verdict, 0.5)),
        "verdict_p95": _rounded(percentile(verdict, 0.95)),
    }


def throughput(outcomes: Sequence[Observed]) -> float | None:
    """Outcomes per second, from the first capture to the last outcome."""
    starts = [o.captured_at for o in outcomes if o.captured_at is not None]
    if not starts:
        return None
    seconds = max(o.seen_at for o in outcomes) - min(starts)
    return round(len(outcomes) / seconds, 2) if seconds > 0 else None


def quality(
    books: Tally, sent: Mapping[str, SentFrame], pixel: PixelQuality | None
) -> dict[str, Any] | None:
    """Verdicts and scores against the truth; None when no truth is known."""
    judged = [
        (outcome, bool(sent[frame_id].defective))
        for frame_id, outcome in books.outcomes.items()
        if outcome.rejected is None and sent[frame_id].defective is not None
    ]
    if not judged:
        return None
    # A verdict's own threshold is inside the verdict: 1 = defect, 0 = not.
    point = operating_point(
        [float(outcome.verdict == "defect") for outcome, _ in judged], [b for _, b in judged], 0.5
    )
    scores = np.array([outcome.score for outcome, _ in judged], np.float64)
    ranking = pixel.ranking if pixel else None
    return {
        "precision": point.precision,
        "recall": point.recall,
        "true_alarms": point.true_alarms,
        "false_alarms": point.false_alarms,
        "missed": point.missed,
        "passed": point.passed,
        "image_auroc": rank_images(scores, np.array([b for _, b in judged])),
        "pixel_auroc": ranking.pixel_auroc if ranking else None,
        "aupro_30": ranking.aupro_30 if ranking else None,
        "pixel_how": pixel.how if pixel else "no masks are known",
    }


def machine() -> dict[str, Any]:
    """The processor these figures belong to."""
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "system": platform.system()}


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _count(names: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
