"""The inference thread: admitted frames -> batches -> verdicts -> results.

Messages are made on the pool's threads, so that the device does not wait for them.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from schemas.outcome import Latencies, RejectReason
from stream_inspector.errors import FrameRejected
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.production.drift import Reference
from stream_inspector.verdict import Grade, Verdict
from workers.inspector.guard.drift import Drift, Seen
from workers.inspector.messages.rejections import rejected
from workers.inspector.messages.verdicts import Judged, Sender, defective, passed, shadowed
from workers.inspector.models.source import BESIDE, Models, ModelSource
from workers.inspector.pipeline.admit import Decode, decode_to
from workers.inspector.pipeline.batch import Batch, Batcher
from workers.inspector.pipeline.pool import Pool
from workers.inspector.work import Admitted, Rejection, log_ids
from workers.runtime.bus.ports import Outgoing
from workers.runtime.detectors.detect import Failure, Pictures, detect
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.settling.flow import Leases, Open
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics

_log = structlog.get_logger(__name__)
_IDLE_S = 0.1
_TOLD_AT_ONCE = 8  # verdicts on one thread of the pool
_NOTHING = Reference({})  # of models that keep no good images' numbers

Finish = Callable[[Ticket, Result], None]


class Inference:
    """Owns the device and the batcher."""

    def __init__(
        self,
        *,
        batcher: Batcher[Admitted],
        keeper: ModelSource,
        leases: Leases,
        pool: Pool,
        sender: Sender,
        decode: Decode,
        finish: Finish,
        announce: Callable[[Outgoing], None],
        drift: Drift,
        metrics: InspectorMetrics,
    ):
        self._admitted: queue.SimpleQueue[Admitted] = queue.SimpleQueue()
        self._batcher, self._keeper, self._leases = batcher, keeper, leases
        self._pool, self._sender, self._decode = pool, sender, decode
        self._finish, self._drift, self._metrics = finish, drift, metrics
        self._announce = announce
        self._busy_since: float | None = None
        self._open = Open()
        self._numbers = itertools.count(1)  # of batches, for the log

    def put(self, admitted: Admitted) -> None:
        """Hand over a frame. Any thread; never blocks."""
        self._open.add(1)
        self._admitted.put(admitted)

    @property
    def idle(self) -> bool:
        """Whether no frame waits for the device or is on it."""
        return not self._open

    def busy_s(self, now: float) -> float:
        """For how long the device has been at the same batch (seconds)."""
        since = self._busy_since
        return 0.0 if since is None else now - since

    def run(self, stop: threading.Event) -> None:
        """Inspect until stopped."""
        while not stop.is_set():
            self._collect(self._keeper.models.queues())
            self._step(self._keeper.models)

    def _step(self, models: Models) -> None:
        """One batch, if one is due, by the version that the view names for its frames.

        A function of its own: nothing here may hold a model from one batch to the next.
        """
        batch = self._batcher.take(time.monotonic(), models.queues())
        waiting = {q.removesuffix(BESIDE): at for q, at in self._batcher.waiting().items()}
        self._keeper.turn(waiting, None if batch is None else batch.version)
        if batch is not None:
            self._busy_since = started = time.monotonic()
            with bound_contextvars(batch=next(self._numbers), model=batch.version):
                self._inspect(batch, models.version(batch.version), models)
            self._busy_since = None
            self._metrics.device_busy.inc(time.monotonic() - started)
            self._open.add(-len(batch.items))

    def _collect(self, versions: Mapping[str, str]) -> None:
        """Move everything that has arrived into the batcher; wait when nothing is due."""
        due = self._batcher.wait_s(time.monotonic(), versions)
        wait = _IDLE_S if due is None else min(due, _IDLE_S)
        try:
            self._add(self._admitted.get(timeout=wait) if wait > 0 else self._admitted.get_nowait())
            while True:
                self._add(self._admitted.get_nowait())
        except queue.Empty:
            return

    def _add(self, admitted: Admitted) -> None:
        queue_ = self._keeper.models.queue_of(admitted.frame)
        self._batcher.add(queue_, admitted, time.monotonic())

    def _inspect(self, batch: Batch[Admitted], model: LoadedModel, models: Models) -> None:
        started = time.monotonic()
        items = self._usable(batch, model)
        if not items:
            return
        detection = detect(model.inspect, _pictures(items))
        if detection.fits is not None:
            _log.warning("out of memory: smaller batches from now on", size=detection.fits)
            self._batcher.max_size = min(self._batcher.max_size, detection.fits)
        self._metrics.batch_size.observe(len(items))
        if self._sender.traces:
            self._sender.traces.batch(items, model.version, started)
        pairs = list(zip(items, detection.results, strict=True))
        pairs = self._second_chance(pairs, model, models, started)
        self._conclude(pairs, model, started)
        self._look_beside(items, models)

    def _second_chance(
        self,
        pairs: list[tuple[Admitted, Verdict | Failure]],
        model: LoadedModel,
        models: Models,
        started: float,
    ) -> list[tuple[Admitted, Verdict | Failure]]:
        """What a version on trial cannot inspect, the active one does. Returns the others."""
        kept = list[tuple[Admitted, Verdict | Failure]]()
        for item, result in pairs:
            active = models.loaded.get(item.frame.category, model)
            if not isinstance(result, Failure) or active is model:
                kept.append((item, result))
                continue
            _log.warning("the version on trial failed on a frame", reason=result.error)
            seen = self._seen(item, active.views[item.frame.category])
            if seen is not None:
                again = detect(active.inspect, _pictures([seen])).results[0]
                self._conclude([(seen, again)], active, started)
        return kept

    def _look_beside(self, items: list[Admitted], models: Models) -> None:
        """Score frames by a shadow, after their verdicts are on their way; nothing waits for it."""
        chosen: dict[str, list[Admitted]] = {}
        for item in items:
            shadow = models.shadow_of(item.frame)
            if shadow is not None:
                chosen.setdefault(shadow.version, []).append(item)
        for version, frames in chosen.items():
            shadow = models.version(version)
            seen = [each for each in map(partial(self._as, model=shadow), frames) if each]
            if seen:
                self._tell_beside(seen, shadow)

    def _tell_beside(self, items: list[Admitted], shadow: LoadedModel) -> None:
        started = time.monotonic()
        results = detect(shadow.inspect, _pictures(items)).results
        for item, result in zip(items, results, strict=True):
            if isinstance(result, Failure):
                _log.warning("a shadow failed on a frame", reason=result.error)
                continue
            judged = self._judged(item, result, shadow, started, measured=False)
            self._announce(shadowed(judged, self._sender))

    def _as(self, item: Admitted, model: LoadedModel) -> Admitted | None:
        """The frame as a shadow wants to see it; it has its verdict already."""
        view = model.views[item.frame.category]
        try:
            return item if item.view == view else self._through(item, view)
        except FrameRejected as error:
            _log.warning("a shadow cannot see a frame", reason=str(error))
            return None

    def _usable(self, batch: Batch[Admitted], model: LoadedModel) -> list[Admitted]:
        """Frames whose partitions are still ours, as this model wants to see them."""
        now = time.monotonic()
        alive = (
            item
            for item in batch.items
            if self._leases.alive(item.ticket.record.partition, item.ticket.lease, now)
        )
        seen = (self._seen(item, model.views[item.frame.category]) for item in alive)
        return [item for item in seen if item is not None]

    def _seen(self, item: Admitted, view: View) -> Admitted | None:
        """The frame, decoded again when the model's view is another than at its admission."""
        if item.view == view:
            return item
        try:
            return self._through(item, view)
        except FrameRejected as error:
            reason = RejectReason(error.reason)
            self._reject(Rejection(item.ticket, item.frame, reason, str(error)))
            return None

    def _through(self, item: Admitted, view: View) -> Admitted:
        """Decoded again. Raises FrameRejected."""
        decoded = decode_to(item.frame, view, self._decode)
        place = view.place(decoded.original_size)
        return replace(item, image=decoded.image, view=view, place=place)

    def _conclude(
        self,
        pairs: Iterable[tuple[Admitted, Verdict | Failure]],
        model: LoadedModel,
        started: float,
    ) -> None:
        """Hand a batch's verdicts to the pool, at once: waking a thread costs as much as a few."""
        told = list[tuple[Judged, Seen]]()
        for item, result in pairs:
            if isinstance(result, Failure):
                reason = RejectReason.INSPECTION_FAILED
                self._reject(
                    Rejection(item.ticket, item.frame, reason, result.error, result.attempts)
                )
            else:
                told.append(
                    (self._judged(item, result, model, started), _seen(item, result, model))
                )
        for start in range(0, len(told), _TOLD_AT_ONCE):
            self._pool.submit(partial(self._tell_all, told[start : start + _TOLD_AT_ONCE]))

    def _tell_all(self, judged: Iterable[tuple[Judged, Seen]]) -> None:
        for each, seen in judged:
            self._tell(each, seen)

    def _tell(self, judged: Judged, seen: Seen) -> None:
        """A verdict that no message can hold is a failed inspection, not a crash on every retry."""
        item = judged.admitted
        ids = log_ids(item.ticket.record, item.frame)
        told = defective if judged.verdict.grade is Grade.DEFECT else passed
        try:
            with bound_contextvars(**ids):
                result = told(judged, self._sender)
        except Exception as error:
            _log.exception("a verdict cannot be told", **ids)
            reason = RejectReason.INSPECTION_FAILED
            text = f"the verdict cannot be told: {type(error).__name__}: {error}"
            self._reject(Rejection(item.ticket, item.frame, reason, text))
            return
        self._finish(item.ticket, result)
        self._drift.note(seen, time.monotonic())

    def _reject(self, rejection: Rejection) -> None:
        result = rejected(rejection, datetime.now(UTC), self._sender)
        self._finish(rejection.ticket, result)

    def _judged(
        self,
        item: Admitted,
        verdict: Verdict,
        model: LoadedModel,
        started: float,
        *,
        measured: bool = True,
    ) -> Judged:
        now, decided_at = time.monotonic(), datetime.now(UTC)
        captured, received = item.frame.captured_at, item.ticket.received_at
        latencies = Latencies(
            queued_ms=_ms((received - captured).total_seconds()),
            decode_ms=_ms(item.decode_ms / 1000),
            batch_wait_ms=_ms(started - item.admitted_at),
            inference_ms=_ms(now - started),
            total_ms=_ms((decided_at - min(captured, received)).total_seconds()),
            clock_ahead_ms=_ms((captured - received).total_seconds()),
        )
        for stage in ("queued", "decode", "batch_wait", "inference") * measured:
            self._metrics.stage.labels(stage).observe(getattr(latencies, f"{stage}_ms") / 1000)
        return Judged(item, verdict, model.name, latencies, decided_at)


def _pictures(items: Sequence[Admitted]) -> Pictures:
    """What the device gets to see of them."""
    return Pictures(
        [item.image for item in items],
        [item.place.frame for item in items],
        [item.frame.category for item in items],
    )


def _seen(item: Admitted, verdict: Verdict, model: LoadedModel) -> Seen:
    """What the frame says of drift. It holds none of the model's memory."""
    frame, name = item.frame, item.frame.category
    reference = model.references.get(name, _NOTHING)
    return Seen(frame.camera_id, name, model.version, reference, item.image, verdict.image_score)


def _ms(seconds: float) -> float:
    """Milliseconds, never negative: camera and worker clocks need not agree."""
    return round(max(0.0, seconds) * 1000, 3)
