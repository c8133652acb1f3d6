"""The inspector: threads, and the decisions that only the loop takes.

poll thread (this one) -> triage -> decode threads: admit, each with a decoder process ->
inference thread -> pool: messages -> publisher thread -> positions back to the poll
thread, which commits. It never blocks longer than a poll.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

import structlog

from schemas.outcome import RejectReason
from workers.inspector.counting import counted
from workers.inspector.guard.breaker import Breaker, Limits, State
from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.guard.drift import Drift
from workers.inspector.guard.parking import Parking
from workers.inspector.guard.triage import Left, Trials
from workers.inspector.guard.vitals import Vitals
from workers.inspector.messages.verdicts import Sender, held_back, stopped
from workers.inspector.models.source import ModelSource
from workers.inspector.pipeline.batch import Batcher
from workers.inspector.pipeline.inference import Inference
from workers.inspector.pipeline.intake import Intake
from workers.inspector.pipeline.pool import Pool
from workers.inspector.settings import InspectorSettings
from workers.inspector.trace import Traces
from workers.runtime.bus.ports import (
    Consumer,
    ConsumerFactory,
    DeliveryFactory,
    Outgoing,
)
from workers.runtime.decoders.pool import Decoders
from workers.runtime.detectors.device import device_memory
from workers.runtime.errors import DeviceHung, Fatal, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settling.commit import Committer
from workers.runtime.settling.flow import InFlight, Leases, PendingCommits
from workers.runtime.settling.measured import Measured
from workers.runtime.settling.membership import Membership
from workers.runtime.settling.publish import Announced, Finished, Publisher
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.health import Check
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.telemetry.tracing import Tracing

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_GAUGES_S = 2.0
_STUCK = 4  # times all timeouts of a publication: its client hangs
_AWAY_PAUSE_S = 0.5  # between polls while the broker is away


class Inspector:
    """One inspection worker. `run` works until stopped."""

    def __init__(
        self,
        settings: InspectorSettings,
        categories: frozenset[str],
        keeper: ModelSource,
        crash_log: CrashLog,
        *,
        trials: Trials,
        metrics: InspectorMetrics,
        servers: Mapping[str, Check] | None = None,
        tracing: Tracing | None = None,
        announce: Callable[[Outgoing], None] = lambda _: None,
    ):
        """`servers` are asked for readiness, now and then. `announce`: what shadows say."""
        self._settings, self._categories, self._keeper = settings, categories, keeper
        self._crash_log, self._trials = crash_log, trials
        self._metrics, self._announce = metrics, announce
        self._servers = servers or {}
        traces = Traces(tracing, settings.worker_id) if tracing else None
        limits = settings.worker
        largest = 2 * settings.kafka.max_frame_bytes  # what producers have room for
        self._sender = Sender(settings.worker_id, settings.topics, traces, largest)
        rules = settings.images.rules(settings.kafka.max_frame_bytes)
        self._decoders = Decoders(limits.threads, rules)
        self._in_flight = InFlight(limits.in_flight_mb * 2**20)
        metrics.in_flight_limit.set(limits.in_flight_mb * 2**20)
        metrics.device_memory.ask(lambda: device_memory(settings.models.device))
        self._leases, self._commits, self._parking = Leases(), PendingCommits(), Parking()
        self._failure: BaseException | None = None
        self._stop_threads = threading.Event()
        self._gauges_at = 0.0
        limit = settings.breaker
        self._breaker = Breaker(Limits(limit.share, limit.window_s, limit.min_frames, limit.rest_s))
        self._reading = State.CLOSED
        self._drift = Drift()
        self.vitals = Vitals(keeper, self._breaker, self._in_flight, self._drift, metrics)

    # -- the threads ----------------------------------------------------------------------------

    def run(self, connect: ConsumerFactory, deliver: DeliveryFactory, stop: StopSignal) -> None:
        """Work until stopped, then drain. Raises Fatal when the process has to end."""
        self._publisher = Publisher(self._leases, self._in_flight, counted(self._metrics))
        interval_s = self._settings.worker.commit_interval_ms / 1000
        self._committer = Committer(self._commits, self._leases, self._publisher, interval_s)
        threads, slow_s = self._settings.worker.threads, self._settings.images.decode_timeout_s / 2
        self._pool = Pool(threads, "pool", self._fail)
        self._decoding = Pool(threads, "decode", self._fail, slow_s)
        self._inference = self._make_inference()
        self._intake = self._make_intake()
        triage = self._intake.triage
        drain_s = self._settings.kafka.session_timeout_ms / 3000
        membership = Membership(
            *(self._leases, self._publisher, self._commits),
            *(lambda partitions: triage.put(Left(partitions)), drain_s),
            metrics=self._metrics,
        )
        with ExitStack() as closing:
            closing.callback(self._decoders.close)
            with stop.at_once():
                self._decoders.start()
                self._keeper.refresh()
                consumer = connect(membership)
            closing.callback(consumer.close)
            closing.callback(self._trials.close)
            closing.callback(self._stop_threads.set)
            closing.callback(setattr, membership, "closing", True)
            with stop.at_once():
                delivery = Measured(deliver(consumer, self._commits.put), self._metrics)
            closing.callback(delivery.close)
            _log.info("delivery", guarantee=delivery.guarantee)
            self._start("triage", lambda: triage.run(self._stop_threads))
            self._start("inference", lambda: self._inference.run(self._stop_threads))
            refresh_s = self._settings.models.refresh_s
            self._start("models", lambda: self._keeper.follow(self._stop_threads, refresh_s))
            self._start("notices", lambda: self._keeper.listen(self._stop_threads))
            self._start("servers", self._ask_servers)
            publisher = self._start("publisher", lambda: self._publisher.run(delivery))
            self._consume(consumer, stop)
            self._drain(consumer, publisher)
            triage.leave()

    def _make_intake(self) -> Intake:
        return Intake(
            self._settings,
            self._categories,
            self._keeper,
            sender=self._sender,
            leases=self._leases,
            in_flight=self._in_flight,
            publisher=self._publisher,
            pool=self._decoding,
            decode=self._decoders.decode,
            inference=self._inference,
            parking=self._parking,
            crash_log=self._crash_log,
            trials=self._trials,
            breaker=self._breaker,
            finish=self._finish,
            metrics=self._metrics,
        )

    def _make_inference(self) -> Inference:
        worker = self._settings.worker
        return Inference(
            batcher=Batcher(worker.batch_max, worker.batch_age_ms / 1000),
            keeper=self._keeper,
            leases=self._leases,
            pool=self._pool,
            sender=self._sender,
            decode=self._decoders.decode,
            finish=self._finish,
            announce=self._announce,
            drift=self._drift,
            metrics=self._metrics,
        )

    def _start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as error:
                self._fail(error)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error

    def _ask_servers(self) -> None:
        while not self._stop_threads.wait(self._settings.models.refresh_s):
            for server, check in self._servers.items():
                self.vitals.reach(server, check())

    def _finish(self, ticket: Ticket, result: Result) -> None:
        if result.label != RejectReason.CAMERA_HELD_BACK:  # nothing was tried
            self._breaker.note(result.camera, result.rejected, time.monotonic())
        self._publisher.put(Finished(ticket, result))

    # -- the poll thread ------------------------------------------------------------------------

    def _consume(self, consumer: Consumer, stop: StopSignal) -> None:
        while not stop.is_set():
            self._check_health()
            self._intake.unpark()
            self._steer(consumer)
            self._poll(consumer)
            self._observe(consumer)

    def _poll(self, consumer: Consumer) -> None:
        try:
            records = consumer.poll(_POLL_S)
            for gap in consumer.gaps():
                self._intake.tell_gap(gap)
            self._intake.take_in(records, consumer.assignment())
            self.vitals.reach("broker", self._publisher.away)
        except Transient as error:
            _log.warning("cannot read, trying again", reason=str(error))
            self.vitals.reach("broker", error)
            time.sleep(_AWAY_PAUSE_S)
        self.vitals.polled(consumer)
        self._committer.commit(consumer)

    def _check_health(self) -> None:
        if isinstance(self._failure, Fatal):
            raise self._failure
        if self._failure is not None:
            raise Fatal(f"a thread of the worker crashed: {self._failure!r}") from self._failure
        now = time.monotonic()
        stuck, kafka = self._publisher.stuck_s(now), self._settings.kafka
        if stuck * 1000 > _STUCK * (kafka.delivery_timeout_ms + kafka.transaction_timeout_ms):
            raise DeviceHung(f"the broker client has been at one publication for {stuck:.0f} s")
        busy = {
            "device": self._inference.busy_s(now),
            "telling of verdicts": self._pool.busy_s(now),
        }
        for what, seconds in busy.items():
            if seconds > self._settings.worker.frame_deadline_s:
                raise DeviceHung(
                    f"the {what} has not answered for {seconds:.0f} s "
                    "(setting worker.frame_deadline_s)"
                )

    def _steer(self, consumer: Consumer) -> None:
        """Pause what may not be read now: what is full, what waits for a model, or everything."""
        assigned = consumer.assignment()
        full = self._in_flight.full(assigned)
        wanted = (
            assigned
            if self._rests()
            else full | assigned & self._parking.partitions(self._keeper.models.missing)
        )
        consumer.pause(wanted)
        consumer.resume(assigned - wanted)

    def _rests(self) -> bool:
        """Whether reading rests because too much was rejected; says so when that begins."""
        before, self._reading = self._reading, self._breaker.state(time.monotonic())
        if self._reading is not before:
            _log.warning("reading", breaker=self._reading.value, rejected=self._breaker.last)
        if before is State.CLOSED and self._reading is State.OPEN:
            now = datetime.now(UTC)
            self._publisher.put(Announced(stopped(*self._breaker.last, now, self._sender)))
        for held in self._breaker.news():
            _log.warning("camera held back", camera=held.camera, rejected=held.rejected)
            self._publisher.put(Announced(held_back(held, datetime.now(UTC), self._sender)))
        return self._reading is State.OPEN

    def _observe(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._gauges_at < _GAUGES_S:
            return
        self._gauges_at = now
        self._committer.commit_idle(consumer)
        self.vitals.observe(consumer, max(self._committer.at, self._publisher.committed_at))

    def _settle(self, consumer: Consumer) -> None:
        """Stay until a rebalance is over: it refuses commits."""
        deadline = time.monotonic() + self._settings.kafka.session_timeout_ms / 1000
        while not (self._committer.done() and consumer.stable()) and time.monotonic() < deadline:
            consumer.pause(consumer.assignment())
            self._poll(consumer)

    def _can_finish(self) -> bool:
        """Whether anything is in work besides frames that wait for a model."""
        return self._publisher.in_work() > len(self._parking)

    def _drain(self, consumer: Consumer, publisher: threading.Thread) -> None:
        """Finish what is in work, stay a member meanwhile, publish, commit."""
        deadline = time.monotonic() + self._settings.worker.drain_s
        while self._can_finish() and time.monotonic() < deadline:
            self._check_health()
            consumer.pause(consumer.assignment())
            self._poll(consumer)
        left = self._publisher.in_work()
        self._publisher.stop()
        patience_s = max(1.0, deadline - time.monotonic())
        self.vitals.pulse.beat(patience_s)
        publisher.join(patience_s)
        self._committer.commit(consumer, now=True)
        self._settle(consumer)
        self.vitals.pulse.beat(self._settings.kafka.session_timeout_ms / 1000)  # to leave the group
        _log.info("stopped", left_to_the_next_worker=left)
