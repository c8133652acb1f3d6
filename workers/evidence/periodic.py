"""`evidence gc --every`: the same run again and again, with metrics and health."""

import re
import time

import structlog
import typer

from workers.evidence.gc import Report, collect
from workers.evidence.settings import EvidenceProcessSettings
from workers.runtime.errors import WorkerError
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.lifecycle import StopSignal
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobStore
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.evidence import EvidenceMetrics

_log = structlog.get_logger(__name__)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def pause_of(text: str) -> float:
    """`30m` in seconds. Raises typer.BadParameter."""
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text)
    if not found:
        raise typer.BadParameter(f"--every {text!r} is none of 30m, 1h, 1d")
    return float(found[1]) * _SECONDS[found[2]]


def repeat(settings: EvidenceProcessSettings, pause_s: float, stop: StopSignal) -> None:
    """Collect until stopped; a store that is away is tried again the next time."""
    section, metrics = settings.evidence, EvidenceMetrics()
    blobs, rounds = open_blobs(section.url or ""), Rounds(section.keep, metrics)
    health = HealthServer(settings.health, metrics.registry, ready=rounds.ready)
    with health:
        while not stop.is_set():
            rounds.run(blobs)
            stop.wait(pause_s)


class Rounds:
    """Runs, and what the last one said."""

    def __init__(self, keep: KeepSection, metrics: EvidenceMetrics):
        self._keep, self._metrics = keep, metrics
        self._problem: str | None = None
        self._ended = time.monotonic()
        metrics.limit.set(keep.max_gb * 1e9)
        metrics.since_run.ask_one(lambda: time.monotonic() - self._ended)

    def ready(self) -> str | None:
        """Why the last run did not end, or None."""
        return self._problem

    def run(self, blobs: BlobStore) -> None:
        """One run."""
        try:
            report = collect(blobs, self._keep)
        except WorkerError as error:
            self._problem = str(error)
            self._metrics.failed_runs.inc()
            _log.warning("evidence was not collected", reason=self._problem)
            return
        self._problem, self._ended = None, time.monotonic()
        self._tell(report)

    def _tell(self, report: Report) -> None:
        stock, fates, metrics = report.inventory.stock, report.fates, self._metrics
        left = stock.size - report.freed
        metrics.bytes.set(left)
        metrics.excess.set(fates.excess)
        metrics.cases.set(len(stock.live) - len(fates.expire))
        metrics.held.set(len(report.inventory.holds))
        crowded = sum("at most" in rule for rule in [*fates.expire.values(), *fates.drop.values()])
        went = len(fates.expire) + len(fates.drop)
        metrics.expired.labels("room").inc(crowded)
        metrics.expired.labels("age").inc(went - crowded)
        _log.info("evidence collected", expired=went, for_room=crowded, bytes=left)
        if fates.excess:
            _log.warning("evidence exceeds evidence.keep.max_gb", bytes=fates.excess)
