"""Headers that nobody reads never cost a message; the required ones stay required."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents.samples import FRAME, OUTCOME
from schemas.envelope import unseal
from schemas.errors import InvalidAttribute, MissingAttribute, SchemaError
from schemas.frame import decode_frame, encode_frame
from schemas.outcome import Outcome

VALID = encode_frame(FRAME).headers
REQUIRED = (
    *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"),
    *("ce_camera", "ce_category", "ce_sequence", "content-type"),
)
READ = {name for name, _ in VALID} | {"ce_width", "ce_height", "ce_run", "ce_replayedfrom"}
UNREADABLE = (b"", None, b"\xff\xfe", b"ok\x80")

_foreign = st.text(max_size=30).map("ce_{}".format) | st.text(max_size=30)
_foreign_headers = st.lists(
    st.tuples(_foreign.filter(lambda name: name not in READ), st.binary(max_size=40) | st.none())
)
_repeats = st.lists(st.tuples(st.sampled_from([n for n, _ in VALID]), st.sampled_from(UNREADABLE)))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_line_id", b"4"),
        ("ce_subject", b""),
        ("ce_subject", b"\xff"),
        ("ce_traceparent", b"\xff\xfe"),
        ("ce_traceparent", b""),
        ("ce_dataschema", b""),
        ("ce_partitionkey", b"\xff"),
        ("ce_data", b"reserved"),
        ("ce_", b"nameless"),
        ("ce_ID", b"x"),
        ("ce_Motor-Strom", b"3.4"),
        ("ce_width", b"\xff"),  # of raw pixels only, and these are none
        ("ce_epoch", b""),
        ("ce_run", b""),
    ],
)
def test_an_attribute_that_nobody_reads_is_dropped(header: str, value: bytes) -> None:
    headers = {**dict(VALID), header: value}
    found = decode_frame(headers.items(), FRAME.data)
    traced = None if header == "ce_traceparent" else FRAME.traceparent
    epoch = "0" if header == "ce_epoch" else FRAME.epoch
    assert found == replace(FRAME, traceparent=traced, epoch=epoch)


@settings(max_examples=200, deadline=None)
@given(foreign=_foreign_headers, repeats=_repeats, order=st.randoms(use_true_random=False))
@pytest.mark.slow
def test_a_soup_of_headers_leaves_the_frame_as_it_is(
    foreign: list, repeats: list, order: object
) -> None:
    soup = [*VALID, *foreign, *repeats]
    order.shuffle(soup)  # type: ignore[attr-defined]
    assert decode_frame(soup, FRAME.data) == FRAME


@settings(max_examples=60, deadline=None)
@given(foreign=_foreign_headers)
@pytest.mark.slow
def test_messages_of_ours_bear_foreign_headers_too(foreign: list) -> None:
    message = OUTCOME.encode()
    assert Outcome.decode([*foreign, *message.headers], message.value) == OUTCOME


@pytest.mark.parametrize("header", REQUIRED)
@pytest.mark.parametrize("value", UNREADABLE)
def test_a_required_header_stays_required(header: str, value: bytes | None) -> None:
    headers = {**dict(VALID), header: value}
    with pytest.raises((MissingAttribute, InvalidAttribute), match=header):
        decode_frame(headers.items(), FRAME.data)


def test_the_last_of_repeated_headers_counts() -> None:
    assert decode_frame([*VALID, ("ce_camera", b"line-7")], FRAME.data).camera_id == "line-7"


@pytest.mark.parametrize("header", ["ce_type", "ce_time", "ce_sequence", "content-type"])
def test_what_is_said_of_a_header_neither_grows_with_it_nor_holds_control_characters(
    header: str,
) -> None:
    headers = {**dict(VALID), header: b"\x1b]0;gotcha\x07\n" + b"\x01" * 4_000_000}
    with pytest.raises(SchemaError) as caught:
        decode_frame(headers.items(), FRAME.data)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_only_what_is_wanted_is_handed_on() -> None:
    assert set(unseal(VALID, "frame", ("camera",))) == {
        *("specversion", "id", "source", "type", "time", "camera")
    }
