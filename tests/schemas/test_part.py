"""Who a part is travels with its frame; what cannot be used is left out, and costs nothing."""

import json
from dataclasses import replace

import pytest

from schemas.documents.samples import FRAME, OUTCOME
from schemas.envelope import Headers
from schemas.frame import decode_frame, encode_frame
from schemas.outcome import Outcome
from schemas.part import MOST_BYTES, PartRef, part_in, part_of

WHOLE = PartRef(
    id="4711",
    serial="SN-Ä1",
    lot="L-17",
    recipe="r3",
    shift="early",
    view="top",
    attributes={"cavity": "3", "mould.no": "m 7"},
)


def test_a_frame_says_who_its_part_is() -> None:
    message = encode_frame(replace(FRAME, part=WHOLE))
    assert decode_frame(message.headers, message.value).part == WHOLE


def test_a_frame_of_an_older_camera_says_nothing() -> None:
    message = encode_frame(replace(FRAME, part=None))
    assert not {"ce_part", "ce_serial", "ce_attributes"} & dict(message.headers).keys()
    assert decode_frame(message.headers, message.value).part is None


def read(**headers: bytes) -> PartRef | None:
    message = encode_frame(replace(FRAME, part=None))
    given: Headers = tuple((f"ce_{name}", data) for name, data in headers.items())
    return decode_frame(message.headers + given, message.value).part


@pytest.mark.parametrize(
    ("headers", "dropped"),
    [
        ({"serial": b"x" * 129}, ["serial"]),
        ({"lot": b"L\n17"}, ["lot"]),
        ({"recipe": b"\xff\xfe"}, ["recipe"]),
        ({"attributes": b"[1]"}, ["attributes"]),
        ({"attributes": b"{"}, ["attributes"]),
        ({"attributes": b"[" * 8000}, ["attributes"]),
        ({"attributes": b'{"a b": "1"}'}, ["attributes"]),
        ({"attributes": b'{"a": {"b": 1}}'}, ["attributes"]),
        ({"attributes": json.dumps({f"n{i}": "x" for i in range(17)}).encode()}, ["attributes"]),
        ({"serial": b"\x00", "attributes": b"0"}, ["serial", "attributes"]),
    ],
)
def test_what_cannot_be_used_is_named_and_costs_neither_frame_nor_the_rest(
    headers: dict[str, bytes], dropped: list[str]
) -> None:
    found = read(part=b"7", **headers)
    assert found is not None
    assert (found.id, found.dropped) == ("7", dropped)


def test_empty_headers_say_nothing() -> None:
    assert read(part=b"", attributes=b"") is None
    assert part_in({}) is None


def test_all_of_it_is_bounded() -> None:
    found = part_of({"id": "7" * 128, "serial": "8" * 128}, {f"n{i}": "ä" * 128 for i in range(16)})
    assert found is not None
    assert found.dropped == ["attributes"]
    assert len(json.dumps(found.said(), ensure_ascii=False).encode()) <= MOST_BYTES + 64


def test_numbers_are_texts() -> None:
    found = part_of({}, {"cavity": 3, "share": 0.5, "good": True})
    assert found == PartRef(attributes={"cavity": "3", "share": "0.5"}, dropped=["attributes"])


def test_an_outcome_of_an_older_worker_is_read() -> None:
    told = json.loads(OUTCOME.model_dump_json())
    assert told["frame"].pop("part")["serial"] == "SN-0815"
    read_again = Outcome.decode(OUTCOME.encode().headers, json.dumps(told).encode())
    assert read_again.frame is not None
    assert read_again.frame.part is None
