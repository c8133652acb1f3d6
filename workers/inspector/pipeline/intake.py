"""Records -> frames on their way to the device, or rejections: what comes before inference."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from structlog.contextvars import bound_contextvars

from schemas.errors import SchemaError
from schemas.frame import Frame, decode_frame
from schemas.outcome import RejectReason
from workers.inspector.guard.breaker import Breaker
from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.guard.parking import Parking
from workers.inspector.guard.triage import Limits, Triage, Trials
from workers.inspector.messages.rejections import camera_of, rejected
from workers.inspector.messages.verdicts import Sender, passed_over
from workers.inspector.models.source import ModelSource
from workers.inspector.pipeline.admit import Decode, admit
from workers.inspector.pipeline.inference import Inference
from workers.inspector.pipeline.odd_pictures import OddPictures
from workers.inspector.pipeline.pool import Pool
from workers.inspector.settings import InspectorSettings
from workers.inspector.work import Admitted, Rejection, Waiting, log_ids
from workers.runtime.bus.ports import Gap, GapCause, Partition, Record
from workers.runtime.errors import Fatal
from workers.runtime.settling.flow import InFlight, Leases
from workers.runtime.settling.publish import Delivered, Finished, Publisher
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics

_log = structlog.get_logger(__name__)

_IN_COMPANY = 2  # times that a deadly frame was tried before it was tried alone
MAX_RECORDS = 16  # per poll: how far reading may run over the limit on bytes in flight


class Intake:
    """Poll thread -> triage -> decoders -> inference."""

    def __init__(
        self,
        settings: InspectorSettings,
        categories: frozenset[str],
        keeper: ModelSource,
        *,
        sender: Sender,
        leases: Leases,
        in_flight: InFlight,
        publisher: Publisher,
        pool: Pool,
        decode: Decode,
        inference: Inference,
        parking: Parking,
        crash_log: CrashLog,
        trials: Trials,
        breaker: Breaker,
        finish: Callable[[Ticket, Result], None],
        metrics: InspectorMetrics,
    ):
        self._settings, self._categories, self._keeper = settings, categories, keeper
        self._sender, self._leases, self._in_flight = sender, leases, in_flight
        self._publisher, self._inference = publisher, inference
        self._pool, self._decode = pool, decode
        self._parking, self._finish, self._metrics = parking, finish, metrics
        self._breaker, self._odd = breaker, OddPictures()
        worker = settings.worker
        most = worker.in_flight_frames + MAX_RECORDS
        limits = Limits(most, worker.batch_max, worker.crash_attempts)
        self.triage = Triage(
            *(crash_log, limits, self._submit, self._reject_deadly, self.idle), trials=trials
        )

    def take_in(self, records: list[Record], assigned: frozenset[Partition]) -> None:
        """Records that were read. Raises Fatal when they came before their assignment."""
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
        for ticket in tickets:
            self._in_flight.add(ticket.record.partition, ticket.size)
        self._publisher.put(Delivered(tuple(tickets)))
        for ticket in tickets:
            self.triage.put(ticket)

    def tell_gap(self, gap: Gap) -> None:
        """A gap goes through the ledger like a record, so it is told once, in its place."""
        lease = self._leases.of(gap.partition)
        if lease is None:
            return  # its next owner meets it too
        _log.error(
            "records not inspected",
            **{"cause": gap.cause.value, "topic": gap.partition.topic},
            **{"partition": gap.partition.index, "first": gap.first, "last": gap.last},
        )
        now = datetime.now(UTC)
        place = Record(gap.partition, gap.last, None, None, (), 0)
        ticket = Ticket(place, lease, now, 0)
        self._publisher.put(Delivered((ticket,)))
        told = Result((passed_over(gap, now, self._sender),), "", "", rejected=True)
        self._publisher.put(Finished(ticket, told))
        unreadable = gap.cause is GapCause.UNREADABLE
        (self._metrics.unreadable if unreadable else self._metrics.expired).inc(gap.records)

    def _weight(self, record: Record) -> int:
        """Bytes of the record and its image, and at least one share of `in_flight_frames`."""
        worker = self._settings.worker
        canvases = [
            view.canvas
            for model in self._keeper.models.loaded.values()
            for view in model.views.values()
        ]
        image = max((3 * height * width for height, width in canvases), default=0)
        return max(record.size + image, worker.in_flight_mb * 2**20 // worker.in_flight_frames)

    def _submit(self, ticket: Ticket) -> None:
        self._pool.submit(lambda: self._admit(ticket), ticket.record.partition)

    def _admit(self, ticket: Ticket) -> None:
        """On a pool thread."""
        if not self._leases.alive(ticket.record.partition, ticket.lease, time.monotonic()):
            return
        camera = camera_of(ticket.record)
        if self._breaker.holds(camera, time.monotonic()):
            self._reject_held(ticket, camera)
            return
        with bound_contextvars(**log_ids(ticket.record)):  # decoders warn
            admitted = admit(ticket, self._categories, self._keeper.models.view, self._decode)
        self._count_damage(admitted)
        if isinstance(admitted, Rejection):
            self._tell_rejected(admitted, _log.warning)
        elif isinstance(admitted, Waiting):
            self._parking.park(admitted)
            self._keeper.want(admitted.category)
        else:
            frame, upright = admitted.frame, admitted.view.upright
            self._odd.look(camera, frame.category, admitted.traits, upright)
            self._inference.put(admitted)

    def _count_damage(self, admitted: Admitted | Rejection | Waiting) -> None:
        if isinstance(admitted, Rejection) and admitted.reason is RejectReason.DAMAGED:
            self._metrics.damaged.inc()
        elif isinstance(admitted, Admitted) and admitted.damage:
            self._metrics.damaged.inc()
            ids = log_ids(admitted.ticket.record, admitted.frame)
            _log.warning("a damaged frame is inspected", damage=admitted.damage, **ids)

    def _reject_deadly(self, ticket: Ticket, alone: int) -> None:
        """On the triage thread: a frame that ended the process each time it was tried alone."""
        error = (
            f"a process died or hung each of the {alone} times that it tried this frame alone "
            "(setting worker.crash_attempts), and workers before in company"
        )
        deadly = Rejection(
            ticket, _frame_of(ticket), RejectReason.CRASHED_WORKER, error, alone + _IN_COMPANY
        )
        self._tell_rejected(deadly, _log.error)

    def _reject_held(self, ticket: Ticket, camera: str) -> None:
        error = (
            f"camera {camera} is held back, because too many of its frames were rejected "
            "(settings breaker.*): this one was not looked at"
        )
        reason = RejectReason.CAMERA_HELD_BACK
        self._tell_rejected(Rejection(ticket, _frame_of(ticket), reason, error), _log.warning)

    def _tell_rejected(self, rejection: Rejection, log: Callable[..., None]) -> None:
        ids = log_ids(rejection.ticket.record, rejection.frame)
        log("frame rejected", reason=rejection.reason.value, error=rejection.error, **ids)
        self._finish(rejection.ticket, rejected(rejection, datetime.now(UTC), self._sender))

    def unpark(self) -> None:
        """Frames whose category has a model now go on."""
        for ticket in self._parking.leave(self._keeper.models.loaded):
            self._submit(ticket)

    def idle(self) -> bool:
        """Whether no frame is between admission and its outcome.

        The pool is asked twice: a frame may go from the device back to the pool in between.
        """
        return self._pool.idle and self._inference.idle and self._pool.idle


def _frame_of(ticket: Ticket) -> Frame | None:
    """The frame as far as its headers go; None when they cannot be read."""
    with suppress(SchemaError):
        return decode_frame(ticket.record.headers, ticket.record.value)
    return None
