"""Verdicts and rejections -> messages on the wire: where core values become wire models."""

from dataclasses import dataclass, replace
from datetime import datetime

from schemas.defect import Box, CounterpartCheck, DefectEvent, Evidence, Region
from schemas.excerpt import excerpt
from schemas.frame import Frame
from schemas.interruption import Interruption, InterruptionCause
from schemas.outcome import FrameRef, Latencies, Outcome, RecordRef, content_digest, outcome_id
from schemas.outcome import Verdict as WireVerdict
from stream_inspector import verdict as core
from workers.inspector.guard.breaker import Held
from workers.inspector.trace import Decided, Settled, Traces
from workers.inspector.work import Admitted, ModelName, Result, Ticket
from workers.runtime.bus.ports import Gap, GapCause, Outgoing, Record
from workers.runtime.settings.process import TopicSettings

_FEW_REGIONS = 16  # of an event that was too large for its topic


@dataclass(frozen=True, slots=True)
class Sender:
    """Who publishes, and where to."""

    worker_id: str
    topics: TopicSettings
    traces: Traces | None = None
    largest_value: int = 2**24  # bytes of a record's value that a dead letter has room for

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


def shadowed(judged: Judged, sender: Sender) -> Outgoing:
    """What a version beside the one that decides says of a frame."""
    return Outgoing(sender.topics.shadows, _outcome(judged, sender).encode())


def defective(
    judged: Judged, evidence: Evidence, counterpart: CounterpartCheck, sender: Sender
) -> Result:
    """A frame with a defect: the event that alarm services subscribe to, then its outcome."""
    event = _defect(judged, evidence, counterpart, sender)

    def result(event: DefectEvent) -> Result:
        messages = (
            Outgoing(sender.topics.defects, event.encode()),
            Outgoing(sender.topics.outcomes, _outcome(judged, sender).encode()),
        )
        return _result(judged, messages, sender)

    return replace(result(event), smaller=lambda: result(_few_regions(event)))


def _few_regions(event: DefectEvent) -> DefectEvent:
    """The event with its worst regions only, and their boxes for outlines."""
    worst = sorted(event.regions, key=lambda region: -region.peak_score)[:_FEW_REGIONS]
    boxed = [region.model_copy(update={"polygon": _corners(region.box)}) for region in worst]
    return event.model_copy(update={"regions": boxed})


def _corners(box: Box) -> list[tuple[int, int]]:
    right, bottom = box.x + box.width, box.y + box.height
    return [(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)]


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


def held_back(held: Held, now: datetime, sender: Sender) -> Outgoing:
    """A camera's frames are not inspected for a while because too many of them were rejected."""
    name = excerpt(held.camera)
    interruption = Interruption(
        interruption_id=outcome_id(sender.worker_id, f"{held.camera}@{now.isoformat()}"),
        cause=InterruptionCause.CAMERA_HELD_BACK,
        topic=sender.topics.frames,
        camera_id=name,
        records=held.rejected,
        error=f"camera {name} is held back on {sender.worker_id}: {held.rejected} of its "
        f"{held.seen} frames were rejected; its frames become dead letters unseen until enough of "
        "them can be inspected (settings breaker.*; see `stream-inspector dlq list`)",
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
        camera=frame.camera_id,
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
