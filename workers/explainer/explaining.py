"""The explaining thread: verdicts that wait -> frames, maps, counterparts, pictures -> results."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from schemas.explanation import ExplanationState
from schemas.frame import Frame
from stream_inspector.errors import FrameRejected
from stream_inspector.image.decode import Decoded
from stream_inspector.image.view.canvas import Placement
from stream_inspector.verdict import Image, Verdict
from workers.explainer.attempts import Attempts
from workers.explainer.backlog import Backlog
from workers.explainer.counterparts import Made, counterpart, left_out, without
from workers.explainer.frames import Frames, NoFrame
from workers.explainer.messages import Sender, Told, nothing
from workers.explainer.pictures import (
    EvidenceWriter,
    Make,
    of_counterpart,
    of_frame,
    of_verdict,
)
from workers.explainer.settings import ExplainerSection
from workers.explainer.verdicts import Wanted
from workers.explainer.versions import Versions
from workers.runtime.decoders.picture import Picture
from workers.runtime.detectors.detect import Failure, Pictures, detect
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.errors import Fatal, Transient
from workers.runtime.settling.flow import Leases
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics

_log = structlog.get_logger(__name__)

_IDLE_S = 0.2
_AGAIN_S = 1.0  # while a server is away

T = TypeVar("T")


class _Stopped(Exception):
    """The process ends; what is left is read again by whoever comes next."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as the model sees it."""

    wanted: Wanted
    frame: Frame
    image: Image  # [H, W, 3], canvas of the model's view
    place: Placement


class Explaining:
    """Owns the device."""

    def __init__(
        self,
        settings: ExplainerSection,
        backlog: Backlog,
        frames: Frames,
        versions: Versions,
        *,
        attempts: Attempts,
        evidence: EvidenceWriter,
        decode: Callable[[Picture], Decoded],
        leases: Leases,
        sender: Sender,
        finish: Callable[[Ticket, Result], None],
        metrics: ExplainerMetrics,
    ):
        self._settings, self._backlog, self._frames = settings, backlog, frames
        self._versions, self._attempts, self._evidence = versions, attempts, evidence
        self._decode, self._leases, self._sender = decode, leases, sender
        self._finish, self._metrics = finish, metrics
        self._stop = threading.Event()
        self._busy_since: float | None = None
        self.away: Transient | None = None  # why nothing can be explained

    def stop(self) -> None:
        """Finish the verdict that is in work and begin no other."""
        self._stop.set()

    def busy_s(self, now: float) -> float:
        """For how long the device has been at a batch (seconds); a server is waited for."""
        since = self._busy_since
        return 0.0 if since is None or self.away else now - since

    def run(self) -> None:
        """Explain until stopped."""
        while not self._stop.is_set():
            batch = self._backlog.take(self._settings.batch_max, _IDLE_S, self._is_new)
            if not batch:
                continue
            self._busy_since = started = time.monotonic()
            try:
                self._work(batch)
            except _Stopped:
                return
            finally:
                self._busy_since = None
                self._metrics.device_busy.inc(time.monotonic() - started)
                self._backlog.done()

    def _is_new(self, wanted: Wanted) -> bool:
        return not self._attempts.known(wanted)

    def _work(self, batch: list[Wanted]) -> None:
        """Verdicts of one category and model version."""
        todo = [(wanted, frame) for wanted in batch if (frame := self._fetched(wanted))]
        model = self._model(todo)
        if model is None:
            return
        seen = [found for wanted, frame in todo if (found := self._seen(wanted, frame, model))]
        if seen:
            self._explain(seen, model)

    def _fetched(self, wanted: Wanted) -> Frame | None:
        """The verdict's frame, if it is to be worked on; else it is told why not."""
        at = wanted.ticket.record.partition
        if not self._leases.alive(at, wanted.ticket.lease, time.monotonic()):
            return None
        attempt = self._attempts.begin(wanted)
        if attempt > self._settings.attempts:
            reason = (
                f"crashed: its explanation ended the process {attempt - 1} times "
                "(setting explainer.attempts)"
            )
            self._tell(wanted, nothing(ExplanationState.SKIPPED, reason))
            return None
        with self._timed("frame"):
            found = self._patiently(lambda: self._frames.find(wanted))
        if isinstance(found, NoFrame):
            self._tell(wanted, nothing(found.state, found.reason))
            return None
        return found

    def _model(self, todo: Sequence[tuple[Wanted, Frame]]) -> LoadedModel | None:
        """The version that judged; None when there is no work, or it is not to be had."""
        if not todo:
            return None
        first = todo[0][0]
        try:
            with self._timed("model"):
                return self._patiently(lambda: self._version(first.version, first.frame.category))
        except (_Stopped, Fatal):
            raise
        except Exception as error:  # a version that is gone or broken must not stop the others
            for wanted, frame in todo:
                self._tell_without_model(wanted, frame, f"model: {type(error).__name__}: {error}")
        return None

    def _version(self, version: str | None, category: str) -> LoadedModel:
        if version is None:
            raise ValueError("the verdict names no model version")
        model = self._versions.get(version)
        if category not in model.views:
            raise ValueError(f"version {version} is not for {category}")
        return model

    def _seen(self, wanted: Wanted, frame: Frame, model: LoadedModel) -> Seen | None:
        view = model.views[frame.category]
        picture = Picture(frame.data, frame.content_type, view, frame.width, frame.height)
        try:
            decoded = self._decode(picture)
        except FrameRejected as error:
            self._tell_without_model(wanted, frame, f"{error.reason}: {error}")
            return None
        return Seen(wanted, frame, decoded.image, view.place(decoded.original_size))

    def _explain(self, items: list[Seen], model: LoadedModel) -> None:
        started = time.monotonic()
        pictures = Pictures(
            [item.image for item in items],
            [item.place.frame for item in items],
            [item.frame.category for item in items],
        )
        with self._timed("score"):
            results = detect(model.inspect, pictures).results
        each_s = (time.monotonic() - started) / len(items)
        for item, result in zip(items, results, strict=True):
            if self._stop.is_set():
                raise _Stopped
            if isinstance(result, Failure):
                self._tell_without_model(item.wanted, item.frame, result.error)
            else:
                self._tell(item.wanted, self._explained(item, result, model, each_s))

    def _explained(self, item: Seen, verdict: Verdict, model: LoadedModel, spent_s: float) -> Told:
        started = time.monotonic()
        with self._timed("counterpart"):
            made = self._counterpart(item, verdict, model)
        self._metrics.counterparts.labels(made.check.status).inc()
        pictures = of_frame(item.frame) | of_verdict(item.image, verdict, item.place)
        absent = {}
        if made.picture is None:
            absent["counterpart"] = f"skipped ({made.check.reason})"
        else:
            pictures |= of_counterpart(made.picture)
        with self._timed("pictures"):
            evidence = self._evidence.write(pictures, absent)
        state = ExplanationState.SKIPPED if made.skipped else ExplanationState.EXPLAINED
        took_s = spent_s + time.monotonic() - started
        return Told(state, evidence, made.check, made.skipped, took_s)

    def _counterpart(self, item: Seen, verdict: Verdict, model: LoadedModel) -> Made:
        settings = self._settings
        if not settings.counterparts:
            return without("disabled")
        age_s = (datetime.now(UTC) - item.wanted.decided_at).total_seconds()
        if age_s > settings.max_age_s:
            return left_out(f"age: the verdict is {age_s:.0f} s old (setting explainer.max_age_s)")
        return counterpart(
            model, item.image, verdict, item.frame.category, budget_s=settings.budget_s
        )

    def _tell_without_model(self, wanted: Wanted, frame: Frame, reason: str) -> None:
        """The frame is there, and nothing can be made of it."""
        pictures: dict[str, Make] = of_frame(frame)
        absent = dict.fromkeys(("heatmap", "outline", "counterpart"), reason[:200])
        evidence = self._evidence.write(pictures, absent)
        check = left_out(reason[:200]).check
        self._tell(wanted, Told(ExplanationState.SKIPPED, evidence, check, reason))

    def _tell(self, wanted: Wanted, told: Told) -> None:
        if told.state is not ExplanationState.EXPLAINED:
            at = {"camera": wanted.frame.camera_id, "frame": wanted.frame.frame_id}
            _log.warning(f"explanation {told.state.value}", reason=told.reason, **at)
        self._finish(wanted.ticket, self._sender.result(wanted, told))
        self._attempts.end(wanted)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Again and again while a server is away. Raises _Stopped, or what else is wrong."""
        while True:
            try:
                found = call()
            except Transient as error:
                if self.away is None:
                    _log.warning("cannot explain, trying again", reason=str(error))
                self.away = error
                if self._stop.wait(_AGAIN_S):
                    raise _Stopped from None
            else:
                self.away = None
                return found

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._metrics.step.labels(step).observe(time.monotonic() - started)
