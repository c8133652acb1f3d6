"""Hostile and broken input, seeded: nothing crashes, nothing costs the good frame beside it."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import PIL.Image as Pil
import pytest
from journey.conftest import Stage

from schemas.dead_letter import DeadLetter
from schemas.documents import samples
from schemas.envelope import WireMessage, event_type
from schemas.errors import SchemaError
from schemas.frame import CONTENT_TYPES, Frame, encode_frame
from schemas.message import Message
from stream_inspector.image.decode import Decoded, DecodeLimits
from stream_inspector.image.view.canvas import View
from workers.inspector.pipeline.admit import admit
from workers.inspector.work import Admitted, Rejection, Waiting
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.decoders.picture import Picture
from workers.runtime.settling.results import Ticket
from workers.runtime.telemetry.tracing import Tracing

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow says of damage

SEED = 20260314
ROUNDS = 20  # of 500 frames, and as many messages
LIMITS = DecodeLimits(max_bytes=200_000, max_pixels=250_000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS = {"bolts": View((16, 16), region=(0.25, 0.0, 1.0, 0.5))}  # nuts have no model
GREY = 77

Headers = list[tuple[str, bytes]]


def picture(
    form: str, size: tuple[int, int] = (24, 16), mode: str = "RGB", grey: int = GREY
) -> bytes:
    buffer = io.BytesIO()
    Pil.new(mode, size, grey if mode in {"L", "I;16"} else (grey,) * 3).save(buffer, form)
    return buffer.getvalue()


PICTURES = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/bmp": picture("BMP"),
    "image/tiff": picture("TIFF"),
}


def frame(content_type: str = "image/png", data: bytes | None = None, sequence: int = 0) -> Frame:
    return Frame(
        frame_id=f"f-{sequence}",
        camera_id="line-1",
        category="bolts",
        sequence=sequence,
        captured_at=NOW,
        content_type=content_type,
        data=PICTURES[content_type] if data is None else data,
    )


def record(headers: Headers, value: bytes | None) -> Record:
    return Record(Partition("frames", 0), 0, b"line-1", value, tuple(headers), 0)


def decode(picture: Picture) -> Decoded:
    return picture.decoded(LIMITS)


def admitted(one: Record) -> Admitted | Rejection | Waiting:
    return admit(Ticket(one, 1, NOW, 1), {"bolts", "nuts"}, VIEWS.get, decode)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes, *extra: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


@cache
def zeros() -> bytes:
    return zlib.compress(bytes(50_000_000), 9)  # 50 MB in 49 KB


def fax() -> bytes:
    bomb = io.BytesIO()
    Pil.new("1", (10_000, 10_000)).save(bomb, "TIFF", compression="group4")
    return bomb.getvalue()


def loop() -> bytes:
    tiff = bytearray(PICTURES["image/tiff"])
    at = int.from_bytes(tiff[4:8], "little")
    tiff[-4:] = struct.pack("<I", at)  # the next directory is this one
    return bytes(tiff)


def upside_down() -> bytes:
    bitmap = PICTURES["image/bmp"]
    return bitmap[:22] + struct.pack("<i", -(2**31)) + bitmap[26:]


def huge_jpeg() -> bytes:
    data = bytearray(PICTURES["image/jpeg"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


# Files made to hurt: bombs, lies about sizes, loops; made by the test that reads them.
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "more pixels than memory": ("image/png", lambda: png(2**31 - 1, 2**31 - 1, zeros())),
    "a large image in few bytes": ("image/png", lambda: png(5000, 3000, zeros())),
    "a small image with a bomb in its data": ("image/png", lambda: png(24, 16, zeros())),
    "a bomb in a text chunk": (
        "image/png",
        lambda: png(24, 16, zeros(), chunk(b"zTXt", b"k\x00\x00" + zeros())),
    ),
    "a colour profile that is a bomb": (
        "image/png",
        lambda: png(24, 16, zeros(), chunk(b"iCCP", b"p\x00\x00" + zeros())),
    ),
    "no pixels": ("image/png", lambda: png(0, 0, b"")),
    "a fax of 100 megapixels": ("image/tiff", fax),
    "a directory that is its own successor": ("image/tiff", loop),
    "a bitmap of negative height": ("image/bmp", upside_down),
    "a jpeg that says it is huge": ("image/jpeg", huge_jpeg),
    "a program": ("image/png", lambda: b"#!/bin/sh\nexit 1\n"),
    "another format under a known name": ("image/png", lambda: picture("GIF", mode="L")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_rejected_or_read_within_its_limits(name: str) -> None:
    content_type, made = HOSTILE[name]
    message = encode_frame(frame(content_type, made()))
    found = admitted(record(list(message.headers), message.value))
    assert isinstance(found, Admitted | Rejection)
    if isinstance(found, Admitted):  # what it says it is, and no more
        assert found.place.frame == (24, 16)


def flip(random_: random.Random, data: bytes) -> bytes:
    """Other bytes, in one of the ways in which files break."""
    data_ = bytearray(data)
    for _ in range(random_.randint(1, 8)):
        at = random_.randrange(len(data_) + 1) if data_ else 0
        way = random_.randrange(5)
        if way == 0:
            data_[at : at + 1] = random_.randbytes(1)
        elif way == 1:
            del data_[at : at + random_.randint(1, 64)]
        elif way == 2:
            data_[at:at] = random_.randbytes(random_.randint(1, 64))
        elif way == 3:
            data_ = data_[:at]
        else:
            data_[at : at + 4] = random_.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
    return bytes(data_)


NASTY = (
    *(b"", b"\x00", b"\xff\xfe", b"-1", b"1e9", b"9" * 400),
    *(b"\xe2\x80\xae", b"NaN", b"0001-01-01"),
)


def broken_headers(random_: random.Random, headers: Headers) -> Headers:
    """Headers that are missing, doubled, renamed or full of nonsense."""
    found = list(headers)
    for _ in range(random_.randint(1, 3)):
        if not found:
            break
        at = random_.randrange(len(found))
        name, value = found[at]
        way = random_.randrange(5)
        if way == 0:
            del found[at]
        elif way == 1:
            found[at] = (name, flip(random_, value))
        elif way == 2:
            found[at] = (name, random_.choice(NASTY))
        elif way == 3:
            found.append((name, random_.choice(NASTY)))
        else:
            found[at] = (name.upper() + "\u202e", value)
    return found


def broken(random_: random.Random) -> Record:
    """A frame that is broken in its bytes, its headers or both."""
    one = frame(random_.choice(list(PICTURES)))
    if random_.random() < 0.1:  # raw pixels of a size that does not fit
        one = replace(
            one,
            content_type=random_.choice(CONTENT_TYPES),
            width=random_.choice((None, 1, 24, 10**9)),
            height=random_.choice((None, 16, 10**9)),
        )
    message = encode_frame(one)
    headers: Headers = list(message.headers)
    value: bytes | None = message.value
    part = random_.random()
    if part < 0.6:
        value = flip(random_, message.value)
    if part > 0.4:
        headers = broken_headers(random_, headers)
    if random_.random() < 0.02:
        value = None
    return record(headers, value)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_broken_frame_costs_no_good_one(round_: int) -> None:
    random_ = random.Random(SEED + round_)  # noqa: S311
    good = 0
    for number in range(500):
        assert isinstance(admitted(broken(random_)), Admitted | Rejection | Waiting)
        if number % 5 == 0:
            content_type = random_.choice(list(PICTURES))
            message = encode_frame(frame(content_type, sequence=number))
            found = admitted(record(list(message.headers), message.value))
            assert isinstance(found, Admitted)
            assert found.frame.sequence == number
            assert abs(found.image.astype(int) - GREY).max() <= 2
            good += 1
    assert good == 100


def broken_json(random_: random.Random, text: bytes) -> bytes:
    """Other JSON, or no JSON at all."""
    if random_.random() < 0.5:
        return flip(random_, text)
    words = (b"null", b"-1", b"1e400", b"NaN", b'"\\ud800"', b"[" * 2000, b"{}", b'""', b"true")
    pieces = text.split(b":")
    at = random_.randrange(1, len(pieces))
    pieces[at] = random_.choice(words) + pieces[at][random_.randint(0, 12) :]
    return b":".join(pieces)


@pytest.mark.parametrize("name", samples.MESSAGES)
def test_a_broken_message_is_a_schema_error_or_a_message(name: str) -> None:
    random_ = random.Random(f"{SEED}-{name}")  # noqa: S311
    sample = samples.MESSAGES[name]
    message = sample.encode()
    for _ in range(ROUNDS * 500 // len(samples.MESSAGES)):
        headers: Headers = list(message.headers)
        if random_.random() < 0.5:
            headers = broken_headers(random_, headers)
        value = broken_json(random_, message.value) if random_.random() < 0.8 else message.value
        found = decoded(type(sample), headers, value)
        if found is not None:
            assert isinstance(found.key, str)
            found.encode()


def decoded(kind: type[Message], headers: Headers, value: bytes) -> Message | None:
    try:
        return kind.decode(headers, value)
    except SchemaError:
        return None


CONTROL, WIDE = "\x01", "\U0001f600"
WEIGHTS = (1, 100, 5_000, 70_000)  # bytes; the last is beyond every limit of `LIMITS_OF_TOPICS`
HEAVY_WEIGHTS = (400_000, 4_000_000)
LIMITS_OF_TOPICS = {"dead-letters": 40_000, "outcomes": 16_384, "defects": 16_384}
RECORDS, HEAVY_EVERY, GOOD_EVERY, GOOD_CAMERAS = 1_500, 100, 8, 20
BRIGHT = picture("PNG", grey=200)  # passes; a dark one is a defect, whose pictures take long


def weighty(random_: random.Random, one: Record, weights: tuple[int, ...]) -> Record:
    """A record with its weight where nobody looks for it."""
    headers: Headers = list(one.headers)
    size = random_.choice(weights)
    fill = random_.choice((b"\x00", b"\x01", b"a", b"\xff", WIDE.encode(), b"\x1b[2J"))
    text = random_.choice((CONTROL, "\x00", "a", WIDE, "\ud800", "ce_x", "\u202e"))
    way = random_.randrange(6)
    if way == 0:
        headers.insert(random_.randrange(len(headers) + 1), (text * size, b"x"))
    elif way == 1:
        headers.append((f"x{text[:1]}", fill * size))
    elif way == 2:
        headers += [(f"{text[:1]}{n}", b"") for n in range(min(size, 100_000))]
    elif way == 3:
        name = random_.choice(("ce_type", "ce_camera", "ce_id", "ce_run", "ce_time", "ce_source"))
        headers = [pair for pair in headers if pair[0] != name] + [(name, fill * size)]
    elif way == 4:
        return replace(one, key=fill * size)
    else:
        return replace(one, value=fill * size)
    return replace(one, headers=tuple(headers))


def junk(random_: random.Random, number: int) -> Record:
    """A record that is broken, heavy, or both, of a camera that sends nothing else."""
    data = BRIGHT if number % 50 else None
    message = encode_frame(
        replace(frame("image/png", data, number), camera_id=f"junk-{number % 7}")
    )
    one = replace(record(list(message.headers), message.value), key=message.key)
    if random_.random() < 0.5:
        headers = broken_headers(random_, list(one.headers))
        value = flip(random_, message.value) if random_.random() < 0.5 else message.value
        one = replace(one, headers=tuple(headers), value=value)
    if number % HEAVY_EVERY == 1:
        return weighty(random_, one, HEAVY_WEIGHTS)
    return weighty(random_, one, WEIGHTS)


def wait_for(stage: Stage, outcomes: int) -> None:
    ends = [Partition("outcomes", index) for index in range(4)]
    stage.broker.create_topic("outcomes", 4)
    stage.until(lambda: sum(map(stage.broker.end, ends)) >= outcomes, 120)


@pytest.mark.integration
@pytest.mark.slow
def test_thousands_of_bad_records_cost_no_good_one_and_everything_fits() -> None:
    random_ = random.Random(SEED)  # noqa: S311
    stage = Stage()
    stage.activate("bolts", "bolts-v1")
    stage.broker.limits = dict(LIMITS_OF_TOPICS)
    stage.tracing = Tracing(lambda span: None, 1.0)
    good: set[tuple[int, int]] = set()
    stop = stage.start(**{"categories.names": ["bolts"], "kafka.max_frame_bytes": 60_000})
    for number in range(RECORDS):
        if number % GOOD_EVERY == 0:
            one = replace(
                frame("image/png", BRIGHT, number),
                camera_id=f"line-{number // GOOD_EVERY % GOOD_CAMERAS}",
            )
            message = encode_frame(one)
            good.add((0, number))
        else:
            bad = junk(random_, number)
            message = WireMessage(bad.key, bad.value, bad.headers)  # type: ignore[arg-type]
        stage.send(message, partition=0)
        if number % 500 == 499:  # what is read is bounded, what waits in this broker is not
            wait_for(stage, number - 400)
    wait_for(stage, RECORDS)
    stop.set()
    stage.stop()
    assert stage.errors == []
    outcomes = stage.outcomes()
    assert sorted(o.record.offset for o in outcomes) == list(range(RECORDS))
    inspected = {(o.record.partition, o.record.offset) for o in outcomes if o.rejected is None}
    assert good <= inspected
    letters = [
        DeadLetter.decode(each.headers, each.value)
        for each in stage.broker.records("dead-letters")
        if dict(each.headers)["ce_type"] == event_type("dead-letter").encode()
    ]
    assert sorted(each.record.offset for each in letters) == sorted(
        o.record.offset for o in outcomes if o.rejected
    )
    for topic, limit in LIMITS_OF_TOPICS.items():
        for each in stage.broker.records(topic):
            headers = sum(len(name.encode()) + len(data) for name, data in each.headers)
            assert len(each.value or b"") + len(each.key or b"") + headers <= limit
