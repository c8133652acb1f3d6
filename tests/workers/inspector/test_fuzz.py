"""Hostile and broken input, seeded: nothing crashes, nothing costs the good frame beside it."""

import io
import random
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import PIL.Image as Pil
import pytest

from schemas.documents import samples
from schemas.errors import SchemaError
from schemas.frame import CONTENT_TYPES, Frame, encode_frame
from schemas.message import Message
from stream_inspector.image.decode import DecodeLimits
from stream_inspector.image.view.canvas import View
from workers.inspector.pipeline.admit import admit
from workers.inspector.work import Admitted, Rejection, Ticket, Waiting
from workers.runtime.bus.ports import Partition, Record

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow says of damage

SEED = 20260314
ROUNDS = 20  # of 500 frames, and as many messages
LIMITS = DecodeLimits(max_bytes=200_000, max_pixels=250_000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS = {"bolts": View((16, 16), region=(0.25, 0.0, 1.0, 0.5))}  # nuts have no model
GREY = 77

Headers = list[tuple[str, bytes]]


def picture(form: str, size: tuple[int, int] = (24, 16), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Pil.new(mode, size, GREY if mode in {"L", "I;16"} else (GREY,) * 3).save(buffer, form)
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


def admitted(one: Record) -> Admitted | Rejection | Waiting:
    return admit(Ticket(one, 1, NOW, 1), {"bolts", "nuts"}, VIEWS.get, LIMITS)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes, *extra: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


@cache
def hostile() -> dict[str, tuple[str, bytes]]:
    """Files made to hurt: bombs, lies about sizes, loops."""
    zeros = zlib.compress(bytes(50_000_000), 9)  # 50 MB in 49 KB
    tiff = bytearray(PICTURES["image/tiff"])
    at = int.from_bytes(tiff[4:8], "little")
    tiff[-4:] = struct.pack("<I", at)  # the next directory is this one
    bomb = io.BytesIO()
    Pil.new("1", (10_000, 10_000)).save(bomb, "TIFF", compression="group4")
    return {
        "more pixels than memory": ("image/png", png(2**31 - 1, 2**31 - 1, zeros)),
        "a large image in few bytes": ("image/png", png(5000, 3000, zeros)),
        "a small image with a bomb in its data": ("image/png", png(24, 16, zeros)),
        "a bomb in a text chunk": (
            "image/png",
            png(24, 16, zeros, chunk(b"zTXt", b"k\x00\x00" + zeros)),
        ),
        "a colour profile that is a bomb": (
            "image/png",
            png(24, 16, zeros, chunk(b"iCCP", b"p\x00\x00" + zeros)),
        ),
        "no pixels": ("image/png", png(0, 0, b"")),
        "a fax of 100 megapixels": ("image/tiff", bomb.getvalue()),
        "a directory that is its own successor": ("image/tiff", bytes(tiff)),
        "a bitmap of negative height": (
            "image/bmp",
            PICTURES["image/bmp"][:22] + struct.pack("<i", -(2**31)) + PICTURES["image/bmp"][26:],
        ),
        "a jpeg that says it is huge": ("image/jpeg", huge_jpeg()),
        "a program": ("image/png", b"#!/bin/sh\nexit 1\n"),
        "another format under a known name": ("image/png", picture("GIF", mode="L")),
    }


def huge_jpeg() -> bytes:
    data = bytearray(PICTURES["image/jpeg"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_file_is_rejected_or_read_within_its_limits(name: str) -> None:
    content_type, data = hostile()[name]
    message = encode_frame(frame(content_type, data))
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
