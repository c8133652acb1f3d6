"""The inspector: threads, and the decisions that only the loop takes.

poll thread (this one) -> pool: admit -> inference thread -> pool: pictures, messages -> publisher
thread -> positions back to the poll thread, which commits. It never blocks longer than a poll.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import structlog

from stream_inspector.decode import DecodeLimits
from workers.inspector.admit import admit
from workers.inspector.batch import Batcher
from workers.inspector.commit import Committer
from workers.inspector.evidence import EvidenceWriter
from workers.inspector.explain import Explainer, TimeShare
from workers.inspector.flow import InFlight, Leases, PendingCommits
from workers.inspector.inference import Inference
from workers.inspector.messages import Sender, rejected
from workers.inspector.models import ModelSource
from workers.inspector.parking import Parking
from workers.inspector.pool import Pool
from workers.inspector.publish import Delivered, Finished, Publisher
from workers.inspector.rebalance import Membership
from workers.inspector.settings import InspectorSettings
from workers.inspector.work import Rejection, Result, Ticket, Waiting
from workers.runtime.bus.ports import (
    Consumer,
    ConsumerFactory,
    DeliveryFactory,
    Partition,
    Record,
)
from workers.runtime.errors import DeviceHung, Fatal, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.telemetry import InspectorMetrics

_log = structlog.get_logger()

_POLL_S = 0.1
_GAUGES_S = 2.0
_SILENT_S = 30.0  # a poll thread that is silent for longer is not alive
_AWAY_PAUSE_S = 0.5  # between polls while the broker is away


class Inspector:
    """One inspection worker. `run` works until stopped."""

    def __init__(
        self,
        settings: InspectorSettings,
        categories: frozenset[str],
        keeper: ModelSource,
        evidence: EvidenceWriter,
        metrics: InspectorMetrics,
    ):
        self._settings, self._categories, self._keeper = settings, categories, keeper
        self._evidence, self._metrics = evidence, metrics
        self._sender = Sender(settings.worker_id, settings.topics)
        limits = settings.worker
        self._limits = DecodeLimits(settings.kafka.max_frame_bytes, limits.max_pixels)
        self._in_flight = InFlight(limits.in_flight_mb * 2**20)
        self._leases, self._commits, self._parking = Leases(), PendingCommits(), Parking()
        self._failure: BaseException | None = None
        self._stop_threads = threading.Event()
        self._gauges_at = 0.0
        self._polled_at: float | None = None
        self._stable = False

    # -- health ---------------------------------------------------------------------------------

    def live(self) -> str | None:
        """What is wrong with this process, or None."""
        if self._polled_at is None:  # loading models and connecting may take minutes
            return None
        silent = time.monotonic() - self._polled_at
        return None if silent < _SILENT_S else f"no poll for {silent:.0f} s"

    def ready(self) -> str | None:
        """Why frames cannot be inspected now, or None."""
        missing = self._keeper.models.missing
        if missing:
            return "; ".join(f"{category}: {why}" for category, why in sorted(missing.items()))
        return None if self._stable else "no partitions yet"

    # -- the threads ----------------------------------------------------------------------------

    def run(self, connect: ConsumerFactory, deliver: DeliveryFactory, stop: StopSignal) -> None:
        """Work until stopped, then drain. Raises Fatal when the process has to end."""
        self._publisher = Publisher(self._leases, self._in_flight, self._metrics)
        interval_s = self._settings.worker.commit_interval_ms / 1000
        self._committer = Committer(self._commits, self._leases, self._publisher, interval_s)
        self._pool = Pool(self._settings.worker.threads, "pool", self._fail)
        self._inference = self._make_inference()
        self._keeper.refresh()
        drain_s = self._settings.kafka.session_timeout_ms / 3000
        membership = Membership(self._leases, self._publisher, self._commits, drain_s)
        self._start("inference", lambda: self._inference.run(self._stop_threads))
        self._start("models", self._refresh_models)
        with ExitStack() as closing:
            consumer = connect(membership)
            closing.callback(consumer.close)
            closing.callback(self._stop_threads.set)
            closing.callback(setattr, membership, "closing", True)
            delivery = deliver(consumer, self._commits.put)
            closing.callback(delivery.close)
            _log.info("delivery", guarantee=delivery.guarantee)
            publisher = self._start("publisher", lambda: self._publisher.run(delivery))
            self._consume(consumer, stop)
            self._drain(consumer, publisher)

    def _make_inference(self) -> Inference:
        worker, counterpart = self._settings.worker, self._settings.counterpart
        share = TimeShare(counterpart.max_share, counterpart.burst_s, time.monotonic())
        return Inference(
            batcher=Batcher(worker.batch_max, worker.batch_age_ms / 1000),
            keeper=self._keeper,
            leases=self._leases,
            explainer=Explainer(counterpart.enabled, share, time.monotonic),
            evidence=self._evidence,
            pool=self._pool,
            sender=self._sender,
            limits=self._limits,
            finish=self._finish,
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

    def _refresh_models(self) -> None:
        while not self._stop_threads.wait(self._settings.models.refresh_s):
            self._keeper.refresh()

    def _finish(self, ticket: Ticket, result: Result) -> None:
        self._publisher.put(Finished(ticket, result))

    # -- the poll thread ------------------------------------------------------------------------

    def _consume(self, consumer: Consumer, stop: StopSignal) -> None:
        while not stop.is_set():
            self._check_health()
            self._unpark()
            self._steer(consumer)
            self._poll(consumer)
            self._observe(consumer)

    def _poll(self, consumer: Consumer) -> None:
        try:
            self._take_in(consumer.poll(_POLL_S), consumer.assignment())
        except Transient as error:
            _log.warning("cannot read, trying again", reason=str(error))
            time.sleep(_AWAY_PAUSE_S)
        self._polled_at = time.monotonic()
        self._committer.commit(consumer)

    def _check_health(self) -> None:
        if isinstance(self._failure, Fatal):
            raise self._failure
        if self._failure is not None:
            raise Fatal(f"a thread of the worker crashed: {self._failure!r}") from self._failure
        busy = self._inference.busy_s(time.monotonic())
        if busy > self._settings.worker.device_deadline_s:
            raise DeviceHung(
                f"the device has not answered for {busy:.0f} s (setting worker.device_deadline_s)"
            )

    def _take_in(self, records: list[Record], assigned: frozenset[Partition]) -> None:
        now = datetime.now(UTC)
        tickets = []
        for record in records:
            lease = self._leases.of(record.partition)
            if lease is not None:
                tickets.append(Ticket(record, lease, now, self._weight(record)))
            elif record.partition in assigned:  # its position moved on: only a restart repairs it
                raise Fatal(f"records of {record.partition} came before its assignment")
        if not tickets:
            return
        self._metrics.frames.inc(len(tickets))
        self._in_flight.add(sum(ticket.size for ticket in tickets))
        self._publisher.put(Delivered(tuple(tickets)))
        for ticket in tickets:
            self._submit(ticket)

    def _weight(self, record: Record) -> int:
        """Bytes of the record and its image, and at least one share of `in_flight_frames`."""
        worker = self._settings.worker
        sizes = [model.input_size for model in self._keeper.models.loaded.values()]
        image = max((3 * height * width for height, width in sizes), default=0)
        return max(record.size + image, worker.in_flight_mb * 2**20 // worker.in_flight_frames)

    def _submit(self, ticket: Ticket) -> None:
        self._pool.submit(lambda: self._admit(ticket))

    def _admit(self, ticket: Ticket) -> None:
        """On a pool thread."""
        if not self._leases.alive(ticket.record.partition, ticket.lease, time.monotonic()):
            return
        admitted = admit(ticket, self._categories, self._keeper.models.input_size, self._limits)
        if isinstance(admitted, Rejection):
            _log.warning("frame rejected", reason=admitted.reason.value, error=admitted.error)
            self._finish(ticket, rejected(admitted, datetime.now(UTC), self._sender))
        elif isinstance(admitted, Waiting):
            self._parking.park(admitted)
        else:
            self._inference.put(admitted)

    def _unpark(self) -> None:
        for ticket in self._parking.leave(self._keeper.models.loaded):
            self._submit(ticket)

    def _steer(self, consumer: Consumer) -> None:
        """Pause what may not be read now: everything when full, else partitions that wait."""
        assigned = consumer.assignment()
        wanted = assigned if self._in_flight.full else assigned & self._parking.partitions()
        consumer.pause(wanted)
        consumer.resume(assigned - wanted)

    def _observe(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._gauges_at < _GAUGES_S:
            return
        self._gauges_at = now
        self._stable = consumer.stable()
        self._committer.commit_idle(consumer)
        metrics = self._metrics
        with suppress(Transient):
            for partition, lag in consumer.lag().items():
                metrics.lag.labels(str(partition.index)).set(lag)
        metrics.in_flight.set(self._in_flight.bytes)
        metrics.uncommitted.set(now - self._committer.at if self._in_flight.bytes else 0)
        metrics.ready.set(self.ready() is None)
        metrics.model.clear()
        for category, version in self._keeper.models.versions().items():
            metrics.model.labels(category, version).set(1)

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
        publisher.join(max(1.0, deadline - time.monotonic()))
        self._committer.commit(consumer, now=True)
        self._settle(consumer)
        _log.info("stopped", left_to_the_next_worker=left)
