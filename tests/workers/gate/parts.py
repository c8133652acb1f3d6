"""Parts of a line, as topics tell of them; time is counted from a moment of ours."""

from datetime import UTC, datetime, timedelta

from schemas.frame import Frame
from schemas.outcome import (
    FrameRef,
    Outcome,
    RecordRef,
    RejectReason,
    Verdict,
    content_digest,
    outcome_id,
)
from workers.gate.answers import Answer, Decision
from workers.gate.clock import Now
from workers.gate.parts import Announced, Judged, PartKey

START = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds: float) -> Now:
    return Now(1000 + seconds, START + timedelta(seconds=seconds))


def key(number: int, taken_s: float | None = None, start: str = "e1") -> PartKey:
    """Part `number`, taken ten a second unless said otherwise."""
    taken = number / 10 if taken_s is None else taken_s
    return PartKey(f"f-{start}-{number}", start, number, START + timedelta(seconds=taken))


def seen(number: int, taken_s: float | None = None, start: str = "e1") -> Announced:
    return Announced("line-1", key(number, taken_s, start))


def said(
    number: int,
    verdict: Verdict | None = Verdict.PASS,
    taken_s: float | None = None,
    start: str = "e1",
) -> Judged:
    reason = str(verdict) if verdict else "undecodable"
    return Judged("line-1", key(number, taken_s, start), verdict, reason)


def answer(number: int, decision: Decision = Decision.PASS, deadline_s: float = 1e12) -> Answer:
    return Answer(
        camera="line-1",
        key=key(number),
        decision=decision,
        reject=decision is not Decision.PASS,
        reason="pass" if decision is Decision.PASS else "deadline",
        late=False,
        latency_s=0.12,
        deadline_s=deadline_s,
    )


def frame(number: int, camera: str = "line-1", epoch: str = "e1") -> Frame:
    """A frame that is taken now."""
    return Frame(
        frame_id=f"f-{epoch}-{number}",
        camera_id=camera,
        category="bolts",
        sequence=number,
        captured_at=datetime.now(UTC),
        content_type="image/png",
        data=b"png",
        epoch=epoch,
    )


def outcome(
    of: Frame, verdict: Verdict | None = Verdict.PASS, rejected: RejectReason | None = None
) -> Outcome:
    """What a worker says of a frame."""
    return Outcome(
        outcome_id=outcome_id(of.source, of.frame_id),
        frame=FrameRef(
            frame_id=of.frame_id,
            camera_id=of.camera_id,
            category=of.category,
            sequence=of.sequence,
            epoch=of.epoch,
            captured_at=of.captured_at,
            content=content_digest(of.data),
        ),
        record=RecordRef(topic="frames", partition=0, offset=of.sequence),
        worker_id="w",
        verdict=verdict,
        rejected=rejected,
        decided_at=datetime.now(UTC),
    )
