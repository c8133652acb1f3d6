"""A frame on the wire: round trip, and every way in which its headers can be wrong."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents.samples import FRAME
from schemas.errors import InvalidAttribute, MissingAttribute, SchemaError, UnsupportedVersion
from schemas.frame import CONTENT_TYPES, RAW_GRAY8, Frame, decode_frame, encode_frame, new_frame_id

VALID = dict(encode_frame(FRAME).headers)


def decode(**changes: bytes | None) -> Frame:
    """Decode the sample with some headers changed; None removes one. `_` stands for `-`."""
    headers = dict(VALID)
    for name, value in changes.items():
        header = "content-type" if name == "content_type" else f"ce_{name}"
        headers.pop(header, None)
        if value is not None:
            headers[header] = value
    return decode_frame(headers.items(), FRAME.data)


def test_a_frame_survives_the_round_trip() -> None:
    message = encode_frame(FRAME)
    assert decode_frame(message.headers, message.value) == FRAME
    assert message.key == b"line-1-cam-2"


def test_raw_pixels_carry_their_size() -> None:
    raw = replace(FRAME, content_type=RAW_GRAY8, width=3, height=2, data=bytes(6))
    message = encode_frame(raw)
    assert decode_frame(message.headers, message.value) == raw


@pytest.mark.parametrize(
    "header",
    ["specversion", "id", "source", "type", "time", "camera", "category", "sequence"],
)
@pytest.mark.parametrize("value", [None, b""])
def test_a_missing_header_is_named(header: str, value: bytes | None) -> None:
    with pytest.raises(MissingAttribute if value is None else SchemaError, match=f"ce_{header}"):
        decode(**{header: value})


def test_a_missing_content_type_is_named() -> None:
    with pytest.raises(MissingAttribute, match="content-type"):
        decode(content_type=None)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("specversion", b"0.3"),
        ("time", b"yesterday"),
        ("time", b"2026-03-14T09:26:53"),
        ("time", b"2026-03-14T09:26:53+99:00"),
        ("time", b"0001-01-01T00:00:00+14:00"),
        ("sequence", b"-1"),
        ("sequence", b"1.5"),
        ("sequence", "٣".encode()),
        ("sequence", b"9" * 19),
        ("camera", b"cam\n1"),
        ("camera", b"c" * 257),
        ("category", b"\xff\xfe"),
        ("epoch", b"\x00"),
        ("epoch", b"e" * 257),
    ],
)
def test_an_unusable_header_is_named(header: str, value: bytes) -> None:
    with pytest.raises(InvalidAttribute, match=f"ce_{header}"):
        decode(**{header: value})


@pytest.mark.parametrize("missing", ["width", "height"])
def test_raw_pixels_without_a_size_are_refused(missing: str) -> None:
    size = {"width": b"3", "height": b"2"} | {missing: None}
    with pytest.raises(MissingAttribute, match=f"ce_{missing}"):
        decode(content_type=RAW_GRAY8.encode(), **size)


def test_raw_pixels_of_no_size_are_refused() -> None:
    with pytest.raises(InvalidAttribute, match="ce_width"):
        decode(content_type=RAW_GRAY8.encode(), width=b"0", height=b"2")


def test_an_unknown_content_type_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(InvalidAttribute, match=r"text/plain.*image/png"):
        decode(content_type=b"text/plain")


@pytest.mark.parametrize("media_type", CONTENT_TYPES)
def test_parameters_and_case_of_a_content_type_do_not_matter(media_type: str) -> None:
    given_type = f"{media_type.upper()}; q=1".encode()
    assert decode(content_type=given_type, width=b"1", height=b"1").content_type == media_type


def test_an_unknown_major_version_is_unsupported() -> None:
    with pytest.raises(UnsupportedVersion, match=r"frame\.v2"):
        decode(type=b"io.stream-inspector.frame.v2")


def test_another_type_is_no_frame() -> None:
    with pytest.raises(InvalidAttribute, match=r"expected .*\.frame\.v1"):
        decode(type=b"io.stream-inspector.outcome.v1")


def test_a_newer_minor_version_is_read() -> None:
    assert decode(dataschema=b"urn:stream-inspector:frame:1.7", novel=b"x") == FRAME


def test_foreign_headers_may_hold_anything() -> None:
    headers = [*VALID.items(), ("X-Mirror", b"\xff\xfe"), ("traceparent", b"\x00")]
    assert decode_frame(headers, FRAME.data) == FRAME


def test_a_bad_trace_context_does_not_cost_the_frame() -> None:
    assert decode(traceparent=b"nonsense") == replace(FRAME, traceparent=None)


def test_the_epoch_is_optional() -> None:
    assert decode(epoch=None).epoch == "0"


def test_times_arrive_in_utc() -> None:
    local = datetime(2026, 3, 14, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    message = encode_frame(replace(FRAME, captured_at=local))
    found = decode_frame(message.headers, message.value).captured_at
    assert (found, found.tzinfo) == (local, UTC)


def test_a_record_without_a_value_is_a_frame_without_bytes() -> None:
    assert decode_frame(VALID.items(), None).data == b""


_HEADERS = st.dictionaries(
    st.sampled_from(sorted(VALID)) | st.text(max_size=12).map("ce_{}".format) | st.text(max_size=8),
    st.binary(max_size=40) | st.text(max_size=20).map(str.encode) | st.none(),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(changes=_HEADERS, value=st.none() | st.binary(max_size=20))
@pytest.mark.slow
def test_arbitrary_headers_raise_nothing_but_schema_errors(
    changes: dict[str, bytes | None], value: bytes | None
) -> None:
    try:
        decode_frame((VALID | changes).items(), value)
        decode_frame(changes.items(), value)
    except SchemaError as error:
        assert error.reason in {"missing-header", "invalid-header", "unsupported-version"}


@settings(max_examples=300, deadline=None)
@given(time=st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.]{2,12}[Z+-]?[0-9:]{0,6}"))
@pytest.mark.slow
def test_arbitrary_times_raise_nothing_but_schema_errors(time: str) -> None:
    try:
        assert decode(time=time.encode()).captured_at.tzinfo is UTC
    except SchemaError as error:
        assert "ce_time" in str(error)


def test_frame_ids_are_uuid7_in_the_order_of_time() -> None:
    ids = [uuid.UUID(new_frame_id()) for _ in range(500)]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == 500
    milliseconds = [i.int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[0] / 1000 - datetime.now(UTC).timestamp()) < 60
