"""Verdicts and rejections -> messages on the wire: where core values become wire models."""

from dataclasses import dataclass
from datetime import datetime

from schemas.dead_letter import DeadLetter, OriginalRecord
from schemas.defect import Box, CounterpartCheck, DefectEvent, Evidence, Region
from schemas.frame import LIVE, Frame
from schemas.interruption import Interruption, InterruptionCause
from schemas.outcome import FrameRef, Latencies, Outcome, RecordRef, content_digest, outcome_id
from schemas.outcome import Verdict as WireVerdict
from stream_inspector import verdict as core
from workers.inspector.trace import Decided, Settled, Traces
from workers.inspector.work import Admitted, ModelName, Rejection, Result, Ticket
from workers.runtime.bus.ports import Gap, GapCause, Outgoing, Record
from workers.runtime.settings.process import TopicSettings

_ID_LIMIT = 256  # characters
_ERROR_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who publishes, and where to."""

    worker_id: str
    topics: TopicSettings
    traces: Traces | None = None

    def traceparent(self, frame: Frame, record: Record) -> str | None:
        """What the messages of a frame carry."""
        return self.traces.hand_on(frame, record) if self.traces else frame.traceparent

    def settled(self, frame: Frame | None, ticket: Ticket, decided: Decided) -> Settled | None:
        """What is to be told once they are published."""
        return self.traces.settled(frame, ticket, decided) if self.traces and frame else None


@dataclass(frozen=True, slots=True)
class Judged:
    """An inspected frame: everything its events say."""

    admitted: Admitted
    verdict: core.Verdict
    model: ModelName
    latencies: Latencies
    decided_at: datetime


def passed(judged: Judged, sender: Sender) -> Result:
    """A frame without a defect: its outcome alone."""
    outcome = Outgoing(sender.topics.outcomes, _outcome(judged, sender).encode())
    return _result(judged, (outcome,), sender)


def defective(
    judged: Judged, evidence: Evidence, counterpart: CounterpartCheck, sender: Sender
) -> Result:
    """A frame with a defect: the event that alarm services subscribe to, then its outcome."""
    event = _defect(judged, evidence, counterpart, sender)
    messages = (
        Outgoing(sender.topics.defects, event.encode()),
        Outgoing(sender.topics.outcomes, _outcome(judged, sender).encode()),
    )
    return _result(judged, messages, sender)


def rejected(rejection: Rejection, now: datetime, sender: Sender) -> Result:
    """A frame that was not inspected: its dead letter, then its outcome."""

    def messages(keep_bytes: bool) -> tuple[Outgoing, ...]:
        letter = _dead_letter(rejection, now, sender, keep_bytes)
        outcome = _rejected_outcome(rejection, now, sender)
        return (
            Outgoing(sender.topics.dead_letters, letter.encode()),
            Outgoing(sender.topics.outcomes, outcome.encode()),
        )

    return Result(
        messages=messages(keep_bytes=True),
        label=rejection.reason.value,
        category=rejection.frame.category if rejection.frame else "",
        rejected=True,
        smaller=lambda: messages(keep_bytes=False),
        settled=sender.settled(
            rejection.frame, rejection.ticket, Decided(rejection.reason.value, now)
        ),
    )


def passed_over(gap: Gap, now: datetime, sender: Sender) -> Outgoing:
    """Records that retention deleted before they were read, or that cannot be unpacked."""
    at = gap.partition
    fate = (
        f"could not be unpacked ({gap.why}) and are not inspected"
        if gap.cause is GapCause.UNREADABLE
        else "were deleted by the topic's retention before they were inspected"
    )
    interruption = Interruption(
        interruption_id=outcome_id(f"{at.topic}/{at.index}", f"{gap.first}-{gap.last}"),
        cause=InterruptionCause(gap.cause.value),
        topic=at.topic,
        partition=at.index,
        first_offset=gap.first,
        records=gap.records,
        error=f"{at.topic} {at.index}: {gap.records} records ({gap.first} to {gap.last}) {fate}",
        worker_id=sender.worker_id,
        noticed_at=now,
    )
    return Outgoing(sender.topics.dead_letters, interruption.encode())


def stopped(rejected: int, seen: int, now: datetime, sender: Sender) -> Outgoing:
    """Reading stopped because too many frames were rejected."""
    interruption = Interruption(
        interruption_id=outcome_id(sender.worker_id, now.isoformat()),
        cause=InterruptionCause.STOPPED,
        topic=sender.topics.frames,
        records=rejected,
        error=f"inspection stopped on {sender.worker_id}: {rejected} of {seen} frames were "
        "rejected (settings breaker.*; see `stream-inspector dlq list`)",
        worker_id=sender.worker_id,
        noticed_at=now,
    )
    return Outgoing(sender.topics.dead_letters, interruption.encode())


def _result(judged: Judged, messages: tuple[Outgoing, ...], sender: Sender) -> Result:
    frame, label = judged.admitted.frame, judged.verdict.grade.value
    decided = Decided(label, judged.decided_at, judged.latencies)
    return Result(
        messages=messages,
        label=label,
        category=frame.category,
        span=(frame.captured_at, judged.decided_at),
        settled=sender.settled(frame, judged.admitted.ticket, decided),
    )


def frame_ref(frame: Frame) -> FrameRef:
    """Which frame a message speaks of."""
    return FrameRef(
        frame_id=frame.frame_id,
        camera_id=frame.camera_id,
        category=frame.category,
        sequence=frame.sequence,
        epoch=frame.epoch,
        captured_at=frame.captured_at,
        content=content_digest(frame.data),
    )


def record_ref(record: Record) -> RecordRef:
    """Where the record stands."""
    at = record.partition
    return RecordRef(topic=at.topic, partition=at.index, offset=record.offset)


def rejected_id(rejection: Rejection) -> str:
    """The outcome id; of the raw headers when the frame was unreadable, else of its coordinates."""
    frame, record = rejection.frame, rejection.ticket.record
    if frame is not None:
        return outcome_id(frame.source, frame.frame_id, frame.run)
    source, frame_id = _header(record, "ce_source"), _header(record, "ce_id")
    if source and frame_id:
        return outcome_id(source, frame_id, _run(rejection))
    return outcome_id(f"{record.partition.topic}/{record.partition.index}", str(record.offset))


def _run(rejection: Rejection) -> str:
    """The run of a frame, however unreadable its other headers are."""
    if rejection.frame is not None:
        return rejection.frame.run
    return _header(rejection.ticket.record, "ce_run") or LIVE


def _replayed_from(rejection: Rejection) -> str | None:
    if rejection.frame is not None:
        return rejection.frame.replayed_from
    return _header(rejection.ticket.record, "ce_replayedfrom")


def _header(record: Record, name: str) -> str | None:
    """A header's text, when it is of a size that an id may have."""
    text = dict(record.headers).get(name, b"").decode("utf-8", "replace")
    return text if 0 < len(text) <= _ID_LIMIT else None


def _outcome(judged: Judged, sender: Sender) -> Outcome:
    frame, verdict = judged.admitted.frame, judged.verdict
    return Outcome(
        outcome_id=outcome_id(frame.source, frame.frame_id, frame.run),
        frame=frame_ref(frame),
        record=record_ref(judged.admitted.ticket.record),
        run=frame.run,
        replayed_from=frame.replayed_from,
        verdict=WireVerdict(verdict.grade.value),
        image_score=verdict.image_score,
        image_threshold=verdict.image_threshold,
        member_scores=verdict.member_scores,
        model_version=judged.model.version,
        calibration_id=judged.model.calibrations[judged.admitted.frame.category],
        latencies=judged.latencies,
        worker_id=sender.worker_id,
        decided_at=judged.decided_at,
        traceparent=sender.traceparent(frame, judged.admitted.ticket.record),
    )


def _defect(
    judged: Judged, evidence: Evidence, counterpart: CounterpartCheck, sender: Sender
) -> DefectEvent:
    frame, verdict = judged.admitted.frame, judged.verdict
    width, height = judged.admitted.place.frame
    return DefectEvent(
        outcome_id=outcome_id(frame.source, frame.frame_id, frame.run),
        frame=frame_ref(frame),
        record=record_ref(judged.admitted.ticket.record),
        run=frame.run,
        replayed_from=frame.replayed_from,
        image_score=verdict.image_score,
        image_threshold=verdict.image_threshold,
        pixel_threshold=verdict.pixel_threshold,
        member_scores=verdict.member_scores,
        regions=[_region(region) for region in verdict.regions],
        image_width=width,
        image_height=height,
        model_version=judged.model.version,
        calibration_id=judged.model.calibrations[judged.admitted.frame.category],
        latencies=judged.latencies,
        evidence=evidence,
        counterpart=counterpart,
        worker_id=sender.worker_id,
        decided_at=judged.decided_at,
        traceparent=sender.traceparent(frame, judged.admitted.ticket.record),
    )


def _region(region: core.Region) -> Region:
    box = Box(x=region.x, y=region.y, width=region.width, height=region.height)
    return Region(
        box=box,
        polygon=list(region.polygon),
        area_px=region.area_px,
        peak_score=region.peak_score,
    )


def _rejected_outcome(rejection: Rejection, now: datetime, sender: Sender) -> Outcome:
    frame = rejection.frame
    return Outcome(
        outcome_id=rejected_id(rejection),
        frame=frame_ref(frame) if frame else None,
        record=record_ref(rejection.ticket.record),
        run=_run(rejection),
        replayed_from=_replayed_from(rejection),
        rejected=rejection.reason,
        worker_id=sender.worker_id,
        decided_at=now,
        traceparent=sender.traceparent(frame, rejection.ticket.record) if frame else None,
    )


def _dead_letter(
    rejection: Rejection, now: datetime, sender: Sender, keep_bytes: bool
) -> DeadLetter:
    record, error = rejection.ticket.record, rejection.error[:_ERROR_LIMIT]
    if not keep_bytes:
        error += f" (its {len(record.value or b'')} bytes do not fit into a message: see `record`)"
    return DeadLetter(
        outcome_id=rejected_id(rejection),
        reason=rejection.reason,
        error=error,
        frame=frame_ref(rejection.frame) if rejection.frame else None,
        record=record_ref(record),
        run=_run(rejection),
        replayed_from=_replayed_from(rejection),
        attempts=rejection.attempts,
        original=OriginalRecord.of(
            record.key, record.value if keep_bytes else None, record.headers
        ),
        worker_id=sender.worker_id,
        rejected_at=now,
        traceparent=sender.traceparent(rejection.frame, record) if rejection.frame else None,
    )
