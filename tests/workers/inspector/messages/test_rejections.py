"""A dead letter fits, whatever its record weighs, and says what was cut."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from schemas.dead_letter import DeadLetter, Part
from schemas.frame import Frame, encode_frame
from schemas.outcome import Outcome, RejectReason
from workers.inspector.messages.rejections import rejected
from workers.inspector.messages.verdicts import Sender
from workers.inspector.work import Rejection
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.settings.process import TopicSettings
from workers.runtime.settling.results import Result, Ticket

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SENDER = Sender("worker-1", TopicSettings(), largest_value=2**20)
ROOM = 2**20 * 4 // 3 + 256 * 1024  # what producers have room for
SMALLEST = 16 * 1024  # what any topic takes

Headers = tuple[tuple[str, bytes], ...]

WEIGHTY: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "a header's name of control characters": (None, b"v", (("\x01" * 4_000_000, b"x"),)),
    "a header's value": (None, b"v", (("ce_x", b"\x00" * 17_500_000),)),
    "a key": (b"\x00" * 4_000_000, b"v", ()),
    "many headers": (None, b"v", tuple((f"h{n}", b"") for n in range(100_000))),
    "headers that are all ours": (None, b"v", (("ce_camera", b"\x00" * 70_000),) * 100),
    "a lone surrogate": (None, b"v", (("ce_\ud800", b"x"),)),
    "a value": (b"k", b"\xff" * 3_000_000, (("ce_id", b"f1"),)),
    "everything": (b"k" * 10**6, b"v" * 3 * 10**6, (("\x00" * 10**6, b"\x00" * 10**6),) * 3),
    "as much as is kept whole": (b"k" * 48 * 1024, b"v" * 2**20, (("n" * 100, b"h" * 100),) * 80),
    "as much as is kept of what is cut": (
        b"k" * 48 * 1024,
        b"v" * 2**20,
        (("\U0001f600" * 500, b"h" * 1000),) * 200,
    ),
    "nothing": (None, None, ()),
}


def rejection(name: str, frame: Frame | None = None, error: str = "bad") -> Rejection:
    key, value, headers = WEIGHTY[name]
    record = Record(Partition("frames", 3), 42, key, value, headers, 1_700_000_000_000)
    return Rejection(Ticket(record, 1, NOW, 10), frame, RejectReason.INVALID_HEADER, error)


def steps(result: Result) -> Iterator[Result]:
    while True:
        yield result
        if result.smaller is None:
            return
        result = result.smaller()


def sizes(result: Result) -> list[int]:
    return [
        len(each.message.value)
        + len(each.message.key or b"")
        + sum(len(name) + len(data) for name, data in each.message.headers)
        for each in result.messages
    ]


def letter_of(result: Result) -> DeadLetter:
    message = result.messages[0].message
    return DeadLetter.decode(message.headers, message.value)


def wide_frame() -> Frame:
    """All its names as long as names may be."""
    name = "\U0001f600" * 256
    return Frame(name, name, name, 7, NOW, "image/png", b"", name, run=name, replayed_from=name)


@pytest.mark.parametrize("name", WEIGHTY)
@pytest.mark.parametrize("frame", [None, wide_frame()])
@pytest.mark.slow
def test_every_step_fits_and_the_last_fits_anywhere(name: str, frame: Frame | None) -> None:
    error = "\x01" * 4_000_000
    for result in steps(rejected(rejection(name, frame, error), NOW, SENDER)):
        letter_bytes, outcome_bytes = sizes(result)
        assert letter_bytes <= ROOM
        assert outcome_bytes <= SMALLEST
        letter, outcome = letter_of(result), result.messages[1].message
        assert letter.outcome_id == Outcome.decode(outcome.headers, outcome.value).outcome_id
        assert (letter.record.topic, letter.record.partition, letter.record.offset) == (
            "frames",
            3,
            42,
        )
        assert letter.original.timestamp_ms == 1_700_000_000_000
    assert letter_bytes <= SMALLEST


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("a header's name of control characters", [Part.HEADERS]),
        ("a header's value", [Part.HEADERS]),
        ("a key", [Part.KEY]),
        ("many headers", [Part.HEADERS]),
        ("a lone surrogate", [Part.HEADERS]),
        ("a value", [Part.VALUE]),
        ("everything", [Part.KEY, Part.VALUE, Part.HEADERS]),
        ("as much as is kept whole", []),
        ("nothing", []),
    ],
)
def test_what_was_cut_is_said_and_the_rest_is_whole(name: str, cut: list[Part]) -> None:
    letter = letter_of(rejected(rejection(name), NOW, SENDER))
    key, value, headers = WEIGHTY[name]
    assert letter.original.cut == cut
    assert ("see `record`" in letter.error) is bool(cut)
    if Part.VALUE not in cut:
        assert letter.original.value_bytes() == value
    if Part.KEY not in cut:
        assert letter.original.key_bytes() == key
    if Part.HEADERS not in cut:
        assert letter.original.header_bytes() == headers


def test_the_headers_that_say_which_frame_it_is_are_kept_first() -> None:
    message = encode_frame(Frame("f1", "line-1", "bolts", 7, NOW, "image/png", b""))
    junk = tuple((f"x{n}", b"") for n in range(1000))
    record = Record(Partition("frames", 0), 0, b"k", b"v", junk + message.headers, 0)
    bad = Rejection(Ticket(record, 1, NOW, 10), None, RejectReason.INVALID_HEADER, "bad")
    kept = letter_of(rejected(bad, NOW, SENDER)).original.header_bytes()
    assert set(kept) >= {pair for pair in message.headers if pair[0].startswith("ce_")}
