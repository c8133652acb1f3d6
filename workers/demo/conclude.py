"""After the stream: pixel metrics, summary, pictures and the report page."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.alarm import Alarm
from schemas.dead_letter import DeadLetter
from stream_inspector.detector import Scores
from stream_inspector.errors import ModelUnsupported
from stream_inspector.threshold.budget import Calibration
from stream_inspector.verdict import Image
from workers.demo.books.lines import SentFrame
from workers.demo.books.observer import Observer
from workers.demo.books.rescore import pixel_quality, rescore
from workers.demo.books.summary import RunFacts, summarise
from workers.demo.books.tally import Tally
from workers.demo.books.truth import FolderTruth, SyntheticTruth, Truth
from workers.demo.page.gallery import Material, sections, write_panels
from workers.demo.page.report import Page, figures, write_page
from workers.demo.settings import DemoSettings
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.setup import Setup
from workers.runtime.moments import said

_MOST_ROWS = 40  # of dead letters and of alarms on the page
_LINKS = ("summary.json", "sent.jsonl", "outcomes.jsonl", "pictures/", "logs/")


@dataclass(frozen=True, slots=True)
class Streamed:
    """What the stream left behind."""

    books: Tally
    sent: Mapping[str, SentFrame]
    observer: Observer
    failures: list[str]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    summary: dict[str, Any]
    failures: list[str]
    interrupted: bool
    report: Path

    @property
    def exit_code(self) -> int:
        """130 when interrupted; 1 when a frame was lost or duplicated or a process failed."""
        frames = self.summary["frames"]
        if self.interrupted:
            return 130
        return int(bool(self.failures or frames["lost"] or frames["duplicated"]))


def conclude(setup: Setup, streamed: Streamed) -> Ending:
    """Measure, write summary, pictures and page."""
    calibration = _calibration(setup)
    books, observer = streamed.books, streamed.observer
    frames = [streamed.sent[name] for name, o in books.outcomes.items() if not o.rejected]
    view = setup.detector.model.view(setup.load.category)
    rescored = rescore(_scorer(setup), view, frames, find_truth(setup.settings))
    pixel = pixel_quality(rescored, books.sent)
    summary = summarise(
        books, streamed.sent, _facts(setup, calibration), pixel, _by_kind(observer.alarms)
    )
    summary["failures"] = streamed.failures
    material = Material(
        books, streamed.sent, observer.explanations, rescored, calibration.pixel_threshold
    )
    write_panels(material, setup.folder.folder("pictures"))
    write_page(_page(summary, material, observer), setup.folder.report)
    setup.folder.summary.write_text(json.dumps(summary, indent=1) + "\n")
    return Ending(summary, streamed.failures, streamed.interrupted, setup.folder.report)


def find_truth(settings: DemoSettings) -> Truth:
    """Where the truth about sent frames is looked up."""
    return SyntheticTruth(settings.seed) if settings.data is None else FolderTruth(settings.data)


def _scorer(setup: Setup) -> Callable[[Sequence[Image]], Scores]:
    """Scores frames as the demo's category, whichever others the model knows."""
    return lambda images: setup.detector.score(images, [setup.load.category] * len(images))


def _calibration(setup: Setup) -> Calibration:
    calibration = setup.obtained.model.calibrations.get(setup.load.category)
    if calibration is None:
        raise ModelUnsupported("the model has no thresholds; run `stream-inspector calibrate`")
    return calibration


def _facts(setup: Setup, calibration: Calibration) -> RunFacts:
    settings, obtained = setup.settings, setup.obtained
    return RunFacts(
        category=setup.load.category,
        preset=obtained.model.preset.name,
        model_version=obtained.model.version,
        model_origin=obtained.origin,
        calibration_id=calibration.id,
        promise=calibration.promise,
        engine=setup.detector.engine,
        train_seconds=obtained.train_seconds,
        cameras=settings.cameras,
        workers=settings.workers,
        rate_fps=settings.rate,
        delivery=BROKERS[settings.broker].promise,
    )


def _page(summary: dict[str, Any], material: Material, observer: Observer) -> Page:
    alarms = sorted(observer.alarms.values(), key=lambda alarm: alarm.raised_at)
    return Page(
        summary=summary,
        when=said(datetime.now(UTC)),
        sections=sections(material),
        figures=figures(material.books, material.sent, summary["latency_ms"]),
        rejected=[_rejected_row(letter) for letter in observer.dead_letters[:_MOST_ROWS]],
        alarms=[_alarm_row(alarm) for alarm in alarms[:_MOST_ROWS]],
        links={name.rstrip("/"): name for name in _LINKS},
    )


def _rejected_row(letter: DeadLetter) -> dict[str, str]:
    record = letter.record
    return {
        "camera": letter.frame.camera_id if letter.frame else "unknown",
        "reason": letter.reason.value,
        "error": letter.error,
        "record": f"{record.topic}[{record.partition}] at {record.offset}",
    }


def _alarm_row(alarm: Alarm) -> dict[str, Any]:
    return {
        "camera": alarm.camera_id,
        "severity": alarm.severity.value,
        "cause": alarm.cause,
        "count": alarm.count,
        "message": alarm.message,
    }


def _by_kind(alarms: Mapping[str, Alarm]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for alarm in alarms.values():
        counts[alarm.kind.value] = counts.get(alarm.kind.value, 0) + 1
    return counts
