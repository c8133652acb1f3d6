"""One sample of every message, for people who write the other end and for the tests."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.acknowledgement import Acknowledgement
from schemas.alarm import Alarm, AlarmKind, Severity
from schemas.camera_state import CameraCondition, CameraState
from schemas.dead_letter import DeadLetter, OriginalRecord
from schemas.defect import Box, CounterpartCheck, DefectEvent, Evidence, Region
from schemas.envelope import Headers, WireMessage
from schemas.explanation import Explanation, ExplanationState
from schemas.frame import Frame, encode_frame
from schemas.interruption import Interruption, InterruptionCause
from schemas.message import Message
from schemas.outcome import (
    FrameRef,
    Latencies,
    Outcome,
    RecordRef,
    RejectReason,
    Verdict,
    content_digest,
    outcome_id,
)
from schemas.part import PartRef
from schemas.resolution import Action, Resolution
from schemas.review import Judgement, Review, Sample

CAPTURED = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)
DECIDED = CAPTURED + timedelta(milliseconds=182)
# The smallest PNG: one grey pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)

FRAME = Frame(
    frame_id="019ceb8a-5b15-7c3e-9d4f-1b2a3c4d5e6f",
    camera_id="line-1-cam-2",
    category="fryum",
    sequence=4711,
    captured_at=CAPTURED,
    content_type="image/png",
    data=PNG,
    epoch="019ceb00-0000-7000-8000-000000000000",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    part=PartRef(id="4711", serial="SN-0815", lot="L-17", view="top", attributes={"cavity": "3"}),
)
_REF = FrameRef(
    frame_id=FRAME.frame_id,
    camera_id=FRAME.camera_id,
    category=FRAME.category,
    sequence=FRAME.sequence,
    epoch=FRAME.epoch,
    captured_at=CAPTURED,
    content=content_digest(PNG),
    part=FRAME.part,
)
_RECORD = RecordRef(topic="frames", partition=2, offset=90_125)
_ID = outcome_id(FRAME.source, FRAME.frame_id)
_LATENCIES = Latencies(
    queued_ms=12.5, decode_ms=9.1, batch_wait_ms=18.0, inference_ms=142.4, total_ms=182.0
)


def _link(picture: str) -> str:
    """As workers write them: named by the content's digest, in the store of evidence.url."""
    digest = hashlib.sha256(picture.encode()).hexdigest()
    return f"s3://plant/evidence/{digest[:2]}/{digest}.png"


OUTCOME = Outcome(
    outcome_id=_ID,
    frame=_REF,
    record=_RECORD,
    verdict=Verdict.DEFECT,
    image_score=4.81,
    image_threshold=3.2,
    member_scores={"kl": 3.9, "features": 4.4, "mahalanobis": 5.2},
    model_version="9f86d081884c7d65",
    calibration_id="60303ae22b998861",
    latencies=_LATENCIES,
    worker_id="inspector-0",
    decided_at=DECIDED,
    traceparent=FRAME.traceparent,
)
REJECTED = Outcome(
    outcome_id=_ID,
    frame=_REF,
    record=_RECORD,
    rejected=RejectReason.UNDECODABLE,
    worker_id="inspector-0",
    decided_at=DECIDED,
)
DEFECT = DefectEvent(
    outcome_id=_ID,
    frame=_REF,
    record=_RECORD,
    image_score=4.81,
    image_threshold=3.2,
    pixel_threshold=2.7,
    member_scores=OUTCOME.member_scores,
    regions=[
        Region(
            box=Box(x=412, y=288, width=64, height=31),
            polygon=[(412, 288), (475, 288), (475, 318), (412, 318)],
            area_px=1520,
            peak_score=6.3,
        )
    ],
    image_width=1500,
    image_height=1000,
    model_version="9f86d081884c7d65",
    calibration_id="60303ae22b998861",
    latencies=_LATENCIES,
    evidence=Evidence(notes={"evidence": "made apart: see the topic explanations"}),
    counterpart=CounterpartCheck(status="skipped", reason="made apart: see explanations"),
    explanation="explanations",
    worker_id="inspector-0",
    decided_at=DECIDED,
    traceparent=FRAME.traceparent,
)
EXPLANATION = Explanation(
    outcome_id=_ID,
    frame=_REF,
    record=_RECORD,
    verdict="defect",
    state=ExplanationState.EXPLAINED,
    model_version=DEFECT.model_version,
    evidence=Evidence(
        frame=_link("frame"),
        heatmap=_link("heatmap"),
        outline=_link("outline"),
        counterpart=_link("counterpart"),
    ),
    counterpart=CounterpartCheck(
        status="convincing",
        examiner="tf_efficientnet_lite2",
        score_before=4.4,
        score_after=1.1,
        normal_limit=1.5,
    ),
    verdict_record="defects/2/318",
    took_ms=1840.0,
    worker_id="inspector-0",
    explainer_id="explainer-0",
    explained_at=DECIDED + timedelta(seconds=2),
    traceparent=FRAME.traceparent,
)
EXPIRED = EXPLANATION.model_copy(
    update={
        "state": ExplanationState.EXPIRED,
        "reason": "frames 2:90125 is gone: the topic's retention took the frame before",
        "evidence": Evidence(notes={"evidence": "the frame is gone"}),
        "counterpart": CounterpartCheck(status="skipped", reason="the frame is gone"),
        "took_ms": 3.0,
    }
)


def _dead_letter() -> DeadLetter:
    broken = encode_frame(FRAME)
    return DeadLetter(
        outcome_id=_ID,
        reason=RejectReason.UNDECODABLE,
        error="image/png: the file is truncated after 20 bytes",
        frame=_REF,
        record=_RECORD,
        attempts=1,
        original=OriginalRecord.of(broken.key, PNG[:20], broken.headers),
        worker_id="inspector-0",
        rejected_at=DECIDED,
    )


DEAD_LETTER = _dead_letter()
INTERRUPTION = Interruption(
    interruption_id="8277e0910d750195b448797616e091ad",
    cause=InterruptionCause.EXPIRED,
    topic="frames",
    partition=2,
    first_offset=90_125,
    records=1200,
    error="1200 records were deleted by the topic's retention before they were read",
    worker_id="inspector-0",
    noticed_at=DECIDED,
)
RESOLUTION = Resolution(
    outcome_id=_ID,
    action=Action.REPLAYED,
    run="replay-4a8a08f09d37",
    original=_RECORD,
    by="operator@line-1",
    why="the camera's cable was replaced",
    resolved_at=DECIDED,
)
CAMERA_STATE = CameraState(
    state_id="7b52009b64fd0a2a49e6d8a939753077",
    camera=FRAME.camera_id,
    state=CameraCondition.STOPPED,
    epoch=FRAME.epoch,
    frames=FRAME.sequence + 1,
    by="camera",
    why="end of the shift",
    announced_at=DECIDED,
)
REVIEW = Review.of(
    OUTCOME,
    Judgement.FALSE_ALARM,
    by="ada@line-1",
    at=DECIDED + timedelta(minutes=3),
    note="a drop of oil, wiped off",
    kind="oil",
    sample=Sample.AUDIT,
)
ALARM = Alarm(
    alarm_id="5d41402abc4b2a76b9719d911017c592",
    kind=AlarmKind.DEFECT,
    severity=Severity.WARNING,
    camera_id=FRAME.camera_id,
    category=FRAME.category,
    cause="defect",
    message="line-1-cam-2: defect on fryum, score 4.81 over 3.20",
    first_seen=CAPTURED,
    last_seen=CAPTURED,
    count=1,
    frame_ids=[FRAME.frame_id],
    parts=[FRAME.part] if FRAME.part else [],
    evidence=_link("heatmap"),
    raised_at=DECIDED,
)
ACKNOWLEDGEMENT = Acknowledgement(
    acknowledgement_id="9e107d9d372bb6826bd81d3542a419d6",
    camera_id=FRAME.camera_id,
    cause="defect",
    until=DECIDED,
    by="olga",
    note="the feeder is cleaned",
    acknowledged_at=DECIDED + timedelta(minutes=4),
)

MESSAGES: dict[str, Message] = {
    "outcome": OUTCOME,
    "outcome-rejected": REJECTED,
    "defect": DEFECT,
    "explanation": EXPLANATION,
    "explanation-expired": EXPIRED,
    "dead-letter": DEAD_LETTER,
    "interruption": INTERRUPTION,
    "resolution": RESOLUTION,
    "camera-state": CAMERA_STATE,
    "review": REVIEW,
    "alarm": ALARM,
    "acknowledgement": ACKNOWLEDGEMENT,
}


def as_record(message: WireMessage) -> dict[str, Any]:
    """A record as JSON: headers as text, the value in base64."""
    return {
        "key": (message.key or b"").decode(),
        "headers": as_text(message.headers),
        "value_base64": base64.b64encode(message.value).decode(),
    }


def as_text(headers: Headers) -> dict[str, str]:
    """Headers as the schemas describe them."""
    return {name: data.decode() for name, data in headers}
