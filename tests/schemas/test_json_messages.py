"""The JSON messages: round trips, keys and ids, and what is refused."""

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.dead_letter import DeadLetter, OriginalRecord
from schemas.documents import samples
from schemas.errors import MissingAttribute, SchemaError, UnsupportedVersion
from schemas.frame import decode_frame, encode_frame
from schemas.message import Message
from schemas.outcome import Outcome, RejectReason, outcome_id

EVERY = pytest.mark.parametrize("message", samples.MESSAGES.values(), ids=samples.MESSAGES)


@EVERY
def test_a_message_survives_the_round_trip(message: Message) -> None:
    record = message.encode()
    assert type(message).decode(record.headers, record.value) == message
    assert record.key == message.key.encode()


@EVERY
def test_the_envelope_names_the_event(message: Message) -> None:
    headers = dict(message.encode().headers)
    assert headers["ce_id"].decode() == message.event_id
    assert headers["ce_type"].decode() == f"io.stream-inspector.{message.message_name}.v1"
    assert headers["content-type"] == b"application/json"


@EVERY
def test_fields_of_a_newer_minor_version_are_ignored(message: Message) -> None:
    record = message.encode()
    newer = json.dumps(json.loads(record.value) | {"novel": 1}).encode()
    assert type(message).decode(record.headers, newer) == message


@EVERY
def test_an_unknown_major_version_is_unsupported(message: Message) -> None:
    headers = dict(message.encode().headers)
    headers["ce_type"] = headers["ce_type"].replace(b".v1", b".v2")
    with pytest.raises(UnsupportedVersion):
        type(message).decode(headers.items(), message.encode().value)


@EVERY
def test_a_naive_time_is_refused(message: Message) -> None:
    content = message.model_dump(mode="json")
    field = next(name for name in content if name.endswith("_at"))
    with pytest.raises(ValidationError, match="zone"):
        type(message).model_validate(content | {field: "2026-03-14T09:26:53"})


def test_a_wrong_field_is_named() -> None:
    record = samples.DEFECT.encode()
    content = json.loads(record.value)
    content["regions"][0]["box"]["width"] = 0
    with pytest.raises(SchemaError, match=r"defect: regions\.0\.box\.width"):
        type(samples.DEFECT).decode(record.headers, json.dumps(content).encode())


def test_a_message_without_its_envelope_is_refused() -> None:
    with pytest.raises(MissingAttribute, match="ce_type"):
        Outcome.decode((), samples.OUTCOME.encode().value)


@settings(max_examples=200, deadline=None)
@given(value=st.none() | st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
@pytest.mark.slow
def test_arbitrary_values_raise_nothing_but_schema_errors(value: bytes | None) -> None:
    with pytest.raises(SchemaError) as caught:
        Outcome.decode(samples.OUTCOME.encode().headers, value)
    assert caught.value.reason == "invalid-message"


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Outcome.model_validate(samples.OUTCOME.model_dump() | {"image_score": float("nan")})


@pytest.mark.parametrize("change", [{"verdict": None}, {"rejected": "undecodable"}])
def test_an_outcome_is_inspected_or_rejected_never_both_or_none(change: dict) -> None:
    with pytest.raises(ValidationError, match="either a verdict or a reject reason"):
        Outcome.model_validate(samples.OUTCOME.model_dump() | change)


def test_the_outcome_id_is_a_hash_of_source_frame_and_run() -> None:
    expected = hashlib.sha256(b"/cameras/a\x1fframe\x1flive").hexdigest()[:32]
    assert outcome_id("/cameras/a", "frame") == expected
    others = {
        outcome_id("/cameras/b", "frame"),
        outcome_id("/cameras/a", "frame2"),
        outcome_id("/cameras/a", "frame", "replay-1"),
        outcome_id("/cameras/afr", "ame"),
    }
    assert len(others | {expected}) == 5


def test_every_schema_error_has_a_reject_reason() -> None:
    errors = [SchemaError, *SchemaError.__subclasses__()]
    assert {error.reason for error in errors} <= {str(reason) for reason in RejectReason}


def test_a_dead_letter_gives_the_record_back_byte_for_byte() -> None:
    headers = (("ce_id", b"\xff\x00"), ("twice", b"1"), ("twice", b"2"))
    original = OriginalRecord.of(b"\x80key", b"\x89PNG\xff", headers)
    again = OriginalRecord.model_validate_json(original.model_dump_json())
    assert again.key_bytes() == b"\x80key"
    assert again.value_bytes() == b"\x89PNG\xff"
    assert again.header_bytes() == headers


def test_a_dead_letter_tells_absent_from_empty() -> None:
    original = OriginalRecord.of(None, b"", ())
    assert (original.key_bytes(), original.value_bytes()) == (None, b"")


def test_a_dead_letter_that_is_not_base64_is_refused_on_arrival() -> None:
    content = samples.DEAD_LETTER.model_dump(mode="json")
    content["original"]["value"] = "%%%"
    with pytest.raises(ValidationError, match="not base64"):
        DeadLetter.model_validate(content)


def test_the_sampled_dead_letter_holds_the_frame_it_speaks_of() -> None:
    original = samples.DEAD_LETTER.original
    frame = decode_frame(original.header_bytes(), original.value_bytes())
    assert frame.frame_id == samples.FRAME.frame_id
    assert base64.b64decode(original.value or "") == samples.PNG[:20]


@pytest.mark.parametrize("message", [samples.REJECTED, samples.DEAD_LETTER])
def test_an_unreadable_frame_is_keyed_by_its_place(message: Message) -> None:
    assert message.model_copy(update={"frame": None}).key == "frames-2"


def test_the_key_of_a_frame_is_its_camera() -> None:
    assert encode_frame(samples.FRAME).key == samples.OUTCOME.encode().key
