"""The explainer: threads, and the decisions that only the loop takes.

poll thread (this one) -> explaining thread: frame, model, counterpart, pictures -> publisher
thread -> positions back to the poll thread, which commits. It never blocks longer than a poll.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import structlog

from workers.explainer.attempts import Attempts
from workers.explainer.backlog import Backlog
from workers.explainer.explaining import Explaining
from workers.explainer.frames import Frames
from workers.explainer.health import Vitals
from workers.explainer.messages import Sender
from workers.explainer.pictures import EvidenceWriter
from workers.explainer.settings import ExplainerSettings
from workers.explainer.trace import Traces
from workers.explainer.verdicts import wanted
from workers.explainer.versions import Versions
from workers.runtime.bus.ports import (
    Consumer,
    ConsumerFactory,
    DeliveryFactory,
    Lookup,
    Partition,
    Record,
)
from workers.runtime.decoders.pool import Decoders
from workers.runtime.errors import DeviceHung, Fatal, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settling.commit import Committer
from workers.runtime.settling.flow import InFlight, Leases, PendingCommits
from workers.runtime.settling.measured import Measured
from workers.runtime.settling.membership import Membership
from workers.runtime.settling.publish import Delivered, Finished, Publisher
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics
from workers.runtime.telemetry.tracing import Tracing

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_AWAY_PAUSE_S = 0.5  # between polls while the broker is away
MAX_RECORDS = 16  # per poll


class Explainer:
    """One explainer. `run` works until stopped."""

    def __init__(
        self,
        settings: ExplainerSettings,
        versions: Versions,
        evidence: EvidenceWriter,
        attempts: Attempts,
        *,
        metrics: ExplainerMetrics,
        tracing: Tracing | None = None,
    ):
        self._settings, self._versions, self._evidence = settings, versions, evidence
        self._attempts, self._metrics = attempts, metrics
        traces = Traces(tracing, settings.explainer_id) if tracing else None
        self._sender = Sender(settings.explainer_id, settings.topics.explanations, traces)
        self._backlog, self._leases = Backlog(), Leases()
        self._in_flight, self._commits = InFlight(2 * settings.explainer.waiting), PendingCommits()
        self._failure: BaseException | None = None
        self._explaining: Explaining | None = None
        self.vitals = Vitals(self._backlog, metrics)

    def run(
        self,
        connect: ConsumerFactory,
        deliver: DeliveryFactory,
        look_up: Callable[[], Lookup],
        stop: StopSignal,
    ) -> None:
        """Work until stopped, then finish what is in work. Raises Fatal."""
        settings = self._settings
        self._publisher = Publisher(self._leases, self._in_flight, self._count)
        interval_s = settings.explainer.commit_interval_ms / 1000
        self._committer = Committer(self._commits, self._leases, self._publisher, interval_s)
        membership = Membership(
            *(self._leases, self._publisher, self._commits),
            *(lambda _: None, settings.kafka.session_timeout_ms / 3000),
            metrics=self._metrics,
        )
        decoders = Decoders(1, settings.images.rules(settings.kafka.max_frame_bytes))
        with ExitStack() as closing:
            closing.callback(decoders.close)
            with stop.at_once():
                self._versions.prepare()
                lookup = look_up()
                closing.callback(lookup.close)
                consumer = connect(membership)
            closing.callback(consumer.close)
            closing.callback(setattr, membership, "closing", True)
            with stop.at_once():
                delivery = Measured(deliver(consumer, self._commits.put), self._metrics)
            closing.callback(delivery.close)
            _log.info("delivery", guarantee=delivery.guarantee)
            self._explaining = self._make_explaining(lookup, decoders)
            closing.callback(self._explaining.stop)
            explaining = self._start("explaining", self._explaining.run)
            publisher = self._start("publisher", lambda: self._publisher.run(delivery))
            while not stop.is_set():
                self._check()
                self._steer(consumer)
                self._poll(consumer)
                self.vitals.observe(consumer, self._committer)
            self._drain(consumer, explaining, publisher)

    def _make_explaining(self, lookup: Lookup, decoders: Decoders) -> Explaining:
        return Explaining(
            self._settings.explainer,
            self._backlog,
            Frames(lookup, self._settings.topics.frames),
            self._versions,
            attempts=self._attempts,
            evidence=self._evidence,
            decode=decoders.decode,
            leases=self._leases,
            sender=self._sender,
            finish=lambda ticket, result: self._publisher.put(Finished(ticket, result)),
            metrics=self._metrics,
        )

    def _start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as error:
                self._failure = self._failure or error

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _count(self, result: Result, now: datetime) -> None:
        if result.label and result.span is not None:
            self._metrics.explanations.labels(result.label).inc()
            self._metrics.latency.observe(max(0.0, (now - result.span[0]).total_seconds()))

    # -- the poll thread ------------------------------------------------------------------------

    def _check(self) -> None:
        if isinstance(self._failure, Fatal):
            raise self._failure
        if self._failure is not None:
            raise Fatal(f"a thread of the explainer crashed: {self._failure!r}") from self._failure
        now, limit_s = time.monotonic(), self._settings.explainer.deadline_s
        busy_s = self._explaining.busy_s(now) if self._explaining else 0.0
        if busy_s > limit_s:
            raise DeviceHung(
                f"an explanation has taken {busy_s:.0f} s (setting explainer.deadline_s)"
            )
        stuck, kafka = self._publisher.stuck_s(now), self._settings.kafka
        if stuck * 1000 > 4 * (kafka.delivery_timeout_ms + kafka.transaction_timeout_ms):
            raise DeviceHung(f"the broker client has been at one publication for {stuck:.0f} s")

    def _steer(self, consumer: Consumer) -> None:
        assigned = consumer.assignment()
        full = self._in_flight.full(assigned)
        consumer.pause(full)
        consumer.resume(assigned - full)

    def _poll(self, consumer: Consumer) -> None:
        try:
            records = consumer.poll(_POLL_S)
            for gap in consumer.gaps():
                self._metrics.lost.inc(gap.records)
                at = {"topic": gap.partition.topic, "partition": gap.partition.index}
                span = {"first": gap.first, "last": gap.last}
                _log.error("verdicts not explained", cause=gap.cause.value, **at, **span)
            self._take_in(records, consumer.assignment())
            self.vitals.away = self._publisher.away or (
                self._explaining.away if self._explaining else None
            )
        except Transient as error:
            _log.warning("cannot read, trying again", reason=str(error))
            self.vitals.away = error
            time.sleep(_AWAY_PAUSE_S)
        self.vitals.polled(consumer)
        self._committer.commit(consumer)

    def _take_in(self, records: list[Record], assigned: frozenset[Partition]) -> None:
        now = datetime.now(UTC)
        for record in records:
            lease = self._leases.of(record.partition)
            if lease is not None:
                self._take(Ticket(record, lease, now, 1))
            elif record.partition in assigned:  # its position moved on: only a restart repairs it
                raise Fatal(f"records of {record.partition} came before its assignment")

    def _take(self, ticket: Ticket) -> None:
        record = ticket.record
        self._in_flight.add(record.partition, ticket.size)
        self._publisher.put(Delivered((ticket,)))
        try:
            found = wanted(ticket, self._settings.topics.defects)
        except Exception as error:  # headers may break the SDK in any way; the next one is fine
            self._metrics.unreadable.inc()
            at = {"topic": record.partition.topic, "partition": record.partition.index}
            reason = f"{type(error).__name__}: {error}"[:500]
            _log.warning("verdict passed over", offset=record.offset, reason=reason, **at)
            found = None
        if found is None:
            self._publisher.put(Finished(ticket, Result((), "", "")))
        else:
            self._backlog.put(found)

    def _drain(
        self, consumer: Consumer, explaining: threading.Thread, publisher: threading.Thread
    ) -> None:
        """Finish the verdict in work, stay a member meanwhile, publish, commit.

        A model that is loaded for it is not waited for: that cannot be broken off.
        """
        deadline = time.monotonic() + self._settings.explainer.drain_s
        self._backlog.clear()
        if self._explaining:
            self._explaining.stop()
        while explaining.is_alive() and not self._versions.loading:
            if time.monotonic() > deadline:
                break
            self._check()
            consumer.pause(consumer.assignment())
            self._poll(consumer)
            self._backlog.clear()
        self._publisher.stop()
        patience_s = max(1.0, deadline - time.monotonic())
        self.vitals.pulse.beat(patience_s)
        publisher.join(patience_s)
        self._committer.commit(consumer, now=True)
        self.vitals.pulse.beat(self._settings.kafka.session_timeout_ms / 1000)  # to leave the group
        _log.info("stopped", left_to_the_next_explainer=self._publisher.in_work())
