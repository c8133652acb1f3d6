"""Core values become wire messages: the fields, the ids, the bytes."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.frame import Frame, encode_frame
from schemas.outcome import Latencies, Outcome, RejectReason, outcome_id
from stream_inspector.image.pictures import heat_range
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Region, Verdict
from workers.inspector.messages.rejections import rejected, rejected_id
from workers.inspector.messages.verdicts import (
    Judged,
    Sender,
    defective,
    passed,
)
from workers.inspector.work import Admitted, Rejection
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.settings.process import TopicSettings
from workers.runtime.settling.results import Ticket

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SENDER = Sender("worker-1", TopicSettings())
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FRAME = Frame("f1", "line-1", "bolts", 7, NOW, "image/png", b"png bytes", traceparent=TRACE)
LATENCIES = Latencies(
    queued_ms=1.0, decode_ms=2.0, batch_wait_ms=3.0, inference_ms=4.0, total_ms=10.0
)


def record(frame: Frame = FRAME) -> Record:
    message = encode_frame(frame)
    return Record(Partition("frames", 3), 42, message.key, message.value, message.headers, 0)


VIEW = View((8, 8))


def ticket(of: Record | None = None) -> Ticket:
    return Ticket(of or record(), 1, NOW, 10)


def judged(grade: Grade) -> Judged:
    region = Region(2, 3, 4, 5, ((2, 3), (6, 3), (6, 8)), 9, 1.5)
    regions = (region,) if grade is Grade.DEFECT else ()
    score_map = np.zeros((8, 8), np.float32)
    verdict = Verdict(grade, 2.0, 1.0, 0.9, regions, score_map, {"kl": 1.2})
    image = np.zeros((8, 8, 3), np.uint8)
    admitted = Admitted(ticket(), FRAME, image, VIEW, VIEW.place((64, 48)), 2.0, 0.0)
    model = LoadedModel("v1", {FRAME.category: "c1"}, {FRAME.category: VIEW}, lambda *_: [])
    return Judged(admitted, verdict, model, LATENCIES, NOW)


def decoded(outgoing: Outgoing, kind: type) -> object:
    return kind.decode(outgoing.message.headers, outgoing.message.value)


def test_a_pass_is_an_outcome_alone() -> None:
    result = passed(judged(Grade.NEAR_MISS), SENDER)
    [message] = result.messages
    outcome = decoded(message, Outcome)
    assert isinstance(outcome, Outcome)
    assert message.topic == "outcomes"
    assert (outcome.verdict, outcome.frame and outcome.frame.sequence) == ("near_miss", 7)
    assert (outcome.member_scores, outcome.latencies) == ({"kl": 1.2}, LATENCIES)
    assert (outcome.record.partition, outcome.record.offset) == (3, 42)
    assert dict(message.message.headers)["ce_traceparent"].decode() == TRACE


def test_a_defect_is_an_event_and_an_outcome_with_one_id() -> None:
    result = defective(judged(Grade.DEFECT), SENDER)
    event, outcome = decoded(result.messages[0], DefectEvent), decoded(result.messages[1], Outcome)
    assert isinstance(event, DefectEvent)
    assert isinstance(outcome, Outcome)
    assert event.outcome_id == outcome.outcome_id == outcome_id("/cameras/line-1", "f1")
    assert (event.regions[0].box.x, event.regions[0].area_px) == (2, 9)
    assert (event.image_width, event.image_height) == (64, 48)
    assert event.explanation == SENDER.topics.explanations
    assert event.counterpart.reason is not None and "explanations" in event.counterpart.reason
    assert "explanations" in event.evidence.notes["evidence"]


def test_a_dead_letter_holds_the_record_byte_for_byte() -> None:
    rejection = Rejection(ticket(), FRAME, RejectReason.UNDECODABLE, "no image")
    result = rejected(rejection, NOW, SENDER)
    letter = decoded(result.messages[0], DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert letter.original.value_bytes() == b"png bytes"
    assert letter.original.header_bytes() == record().headers
    assert letter.outcome_id == outcome_id("/cameras/line-1", "f1")


def test_a_smaller_dead_letter_says_what_is_missing() -> None:
    rejection = Rejection(ticket(), FRAME, RejectReason.TOO_LARGE, "too large")
    result = rejected(rejection, NOW, SENDER)
    assert result.smaller is not None
    letter = decoded(result.smaller().messages[0], DeadLetter)
    assert isinstance(letter, DeadLetter)
    assert letter.original.value is None
    assert letter.original.cut == ["value"]
    assert "a value of 9 bytes" in letter.error


def unreadable(**changes: bytes | None) -> Rejection:
    headers = dict(record().headers) | changes
    kept = tuple((name, data) for name, data in headers.items() if data is not None)
    raw = replace(record(), headers=kept)
    return Rejection(ticket(raw), None, RejectReason.INVALID_HEADER, "bad")


def test_an_unreadable_frame_keeps_its_id_when_its_headers_have_it() -> None:
    assert rejected_id(unreadable(ce_category=None)) == outcome_id("/cameras/line-1", "f1")


@pytest.mark.parametrize("changes", [{"ce_id": None}, {"ce_source": b""}, {"ce_id": b"x" * 300}])
def test_else_its_coordinates_are_its_id(changes: dict[str, bytes | None]) -> None:
    assert rejected_id(unreadable(**changes)) == outcome_id("frames/3", "42")


@pytest.mark.parametrize("threshold", [3.0, 0.0, -2.0])
def test_colours_begin_below_the_threshold_and_end_above_it(threshold: float) -> None:
    low, high = heat_range(threshold)
    assert low < threshold < high
