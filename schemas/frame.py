"""camera -> inspector: one encoded image with everything else in headers."""

import os
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.envelope import (
    WireMessage,
    event_type,
    require,
    require_int,
    require_time,
    schema_uri,
    seal,
    unseal,
)
from schemas.errors import InvalidAttribute, MissingAttribute, quoted
from schemas.part import HEADERS as PART_HEADERS
from schemas.part import PartRef, headers_of, part_in

LIVE = "live"  # the run of the production stream; a replay has an id of its own
# 1.1: run and replayedfrom; 1.2: block and devicetime; 1.3: who the part is, pixelformat, more raw
FRAME_VERSION = "1.3"
RAW_GRAY8 = "application/vnd.stream-inspector.raw-gray8"
RAW_RGB8 = "application/vnd.stream-inspector.raw-rgb8"
RAW_GRAY16 = "application/vnd.stream-inspector.raw-gray16"
RAW_BAYER = {
    (pattern, bits): f"application/vnd.stream-inspector.raw-bayer-{pattern.lower()}{bits}"
    for pattern in ("RG", "GR", "GB", "BG")
    for bits in (8, 16)
}
RAW_TYPES = (RAW_GRAY8, RAW_RGB8, RAW_GRAY16, *RAW_BAYER.values())
CONTENT_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/tiff", *RAW_TYPES)
_NAME_LIMIT = 256  # characters; ids come from outside and are written into topics, logs and paths
_WORD_LIMIT = 32
_WANTED = (
    *("datacontenttype", "camera", "category", "sequence", "epoch", "width", "height"),
    *("traceparent", "run", "replayedfrom", "block", "devicetime"),
    "pixelformat",
    *PART_HEADERS,
)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one product, as a camera publishes it.

    `sequence` counts a camera's frames from 0 within one `epoch` (a start of the camera process);
    a jump means that frames were lost on the way. `width` and `height` are for raw pixels only.
    """

    frame_id: str
    camera_id: str
    category: str
    sequence: int
    captured_at: datetime
    content_type: str
    data: bytes
    epoch: str = "0"
    width: int | None = None
    height: int | None = None
    traceparent: str | None = None
    run: str = LIVE
    replayed_from: str | None = None  # topic/partition/offset of the record that was sent again
    block: int | None = None  # the device's own count of its pictures
    device_ns: int | None = None  # ... and its own clock, nanoseconds
    pixel_format: str | None = None  # as the device took it (PFNC), e.g. Mono12, BayerRG8
    part: PartRef | None = None  # who the part is; None: nobody said

    @property
    def source(self) -> str:
        """The CloudEvents source: with the id it names the frame world-wide."""
        return f"/cameras/{self.camera_id}"


def new_frame_id() -> str:
    """A UUIDv7 (RFC 9562, 5.7): ordered by time and unique across camera restarts."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76  # version 7
    value = value & ~(0x3 << 62) | 0x2 << 62  # RFC variant
    return str(uuid.UUID(int=value))


def encode_frame(frame: Frame) -> WireMessage:
    """A frame as a Kafka record's key, headers and value."""
    attributes: dict[str, Any] = {
        "id": frame.frame_id,
        "source": frame.source,
        "type": event_type("frame"),
        "time": frame.captured_at,
        "datacontenttype": frame.content_type,
        "dataschema": schema_uri("frame", FRAME_VERSION),
        "partitionkey": frame.camera_id,
        "camera": frame.camera_id,
        "category": frame.category,
        "sequence": str(frame.sequence),
        "epoch": frame.epoch,
        "width": None if frame.width is None else str(frame.width),
        "height": None if frame.height is None else str(frame.height),
        "traceparent": frame.traceparent,
        "run": None if frame.run == LIVE else frame.run,
        "replayedfrom": frame.replayed_from,
        "block": None if frame.block is None else str(frame.block),
        "devicetime": None if frame.device_ns is None else str(frame.device_ns),
        "pixelformat": frame.pixel_format,
        **headers_of(frame.part),
    }
    return seal(attributes, frame.data)


def decode_frame(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Frame:
    """Read a frame record. Raises SchemaError with the header that is wrong."""
    attributes = unseal(headers, "frame", _WANTED)
    content_type = _content_type(attributes)
    raw = content_type in RAW_TYPES
    return Frame(
        frame_id=_name(attributes, "id"),
        camera_id=_name(attributes, "camera"),
        category=_name(attributes, "category"),
        sequence=require_int(attributes, "sequence"),
        captured_at=require_time(attributes),
        content_type=content_type,
        data=value or b"",
        epoch=_name(attributes, "epoch") if "epoch" in attributes else "0",
        width=_positive(attributes, "width") if raw else None,
        height=_positive(attributes, "height") if raw else None,
        traceparent=_traceparent(attributes),
        run=_name(attributes, "run") if "run" in attributes else LIVE,
        replayed_from=_name(attributes, "replayedfrom") if "replayedfrom" in attributes else None,
        block=_told(attributes, "block"),
        device_ns=_told(attributes, "devicetime"),
        pixel_format=_word(attributes, "pixelformat"),
        part=part_in(attributes),
    )


def _content_type(attributes: dict[str, Any]) -> str:
    found = attributes.get("datacontenttype")
    if not found:
        raise MissingAttribute("header content-type is missing")
    media_type = str(found).partition(";")[0].strip().lower()
    if media_type not in CONTENT_TYPES:
        allowed = ", ".join(CONTENT_TYPES)
        raise InvalidAttribute(f"header content-type is {quoted(str(found))}; allowed: {allowed}")
    return media_type


def _name(attributes: dict[str, Any], name: str) -> str:
    value = require(attributes, name)
    if len(value) > _NAME_LIMIT or not value.isprintable():
        raise InvalidAttribute(
            f"header ce_{name} must be printable text of at most {_NAME_LIMIT} characters"
        )
    return value


def _positive(attributes: dict[str, Any], name: str) -> int:
    value = require_int(attributes, name)
    if value < 1:
        raise InvalidAttribute(f"header ce_{name} is {value}; raw pixels need at least 1")
    return value


def _told(attributes: dict[str, Any], name: str) -> int | None:
    """A number for people; an unusable one is dropped, it must not cost the frame."""
    text = str(attributes.get(name, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def _word(attributes: dict[str, Any], name: str) -> str | None:
    """A name for people; an unusable one is dropped, it must not cost the frame."""
    text = str(attributes.get(name, ""))
    return text if text.isascii() and text.isalnum() and len(text) <= _WORD_LIMIT else None


def _traceparent(attributes: dict[str, Any]) -> str | None:
    """The W3C trace context; an unusable one is dropped, it must not cost the frame."""
    value = str(attributes.get("traceparent", ""))
    return value if _TRACEPARENT.fullmatch(value) else None
