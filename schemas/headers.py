"""JSON Schemas of the Kafka headers: what a producer without our models has to write.

Header values are UTF-8 text on the wire; the schemas describe them decoded.
"""

from typing import Any

from schemas.envelope import JSON_CONTENT_TYPE, event_type, schema_uri
from schemas.frame import CONTENT_TYPES, FRAME_VERSION, RAW_TYPES
from schemas.message import Message
from schemas.part import MOST_ATTRIBUTES, MOST_TEXT

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 256}
_COUNT: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_TRACEPARENT: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "W3C trace context",
}


def _text(description: str, **rules: Any) -> Schema:
    return {"type": "string", "description": description, **rules}


def _attributes(name: str, version: str) -> dict[str, Schema]:
    """The CloudEvents attributes that every message carries."""
    major = version.partition(".")[0]
    return {
        "ce_specversion": {"const": "1.0", "description": "of CloudEvents"},
        "ce_id": {**_NAME, "description": "the same id is the same event, delivered again"},
        "ce_source": _text("who sent it", minLength=1),
        "ce_type": {
            "const": event_type(name, int(major)),
            "description": "which message; its end is the major version",
        },
        "ce_time": _text("RFC 3339 with a zone", format="date-time"),
        "ce_dataschema": _text(
            "names the minor version; a newer one is readable",
            examples=[schema_uri(name, version)],
        ),
        "ce_partitionkey": {**_NAME, "description": "the record's key"},
        "ce_traceparent": _TRACEPARENT,
    }


def frame_headers() -> Schema:
    """The headers of a frame; its value is the encoded image."""
    size = {"required": ["ce_width", "ce_height"]}
    raw = {"properties": {"content-type": {"enum": list(RAW_TYPES)}}}
    return {
        "$schema": DIALECT,
        "title": "Frame headers",
        "description": "Kafka headers of a frame. The value is the image, encoded as content-type.",
        "type": "object",
        "properties": _attributes("frame", FRAME_VERSION)
        | {
            "content-type": {
                "enum": list(CONTENT_TYPES),
                "description": "how the value encodes the picture",
            },
            "ce_camera": {**_NAME, "description": "camera id; also the record's key"},
            "ce_category": {**_NAME, "description": "product category, selects the model"},
            "ce_sequence": {**_COUNT, "description": "frames of this camera since its epoch began"},
            "ce_epoch": {**_NAME, "description": "one start of the camera process"},
            "ce_width": {**_COUNT, "description": "pixels; raw content types only"},
            "ce_height": {**_COUNT, "description": "pixels; raw content types only"},
            "ce_block": {
                "type": "string",
                "pattern": "^[0-9]{1,20}$",
                "description": "the device's own count of its pictures",
            },
            "ce_devicetime": {
                "type": "string",
                "pattern": "^[0-9]{1,20}$",
                "description": "the device's own clock, nanoseconds",
            },
            "ce_pixelformat": {
                "type": "string",
                "pattern": "^[A-Za-z0-9]{1,32}$",
                "description": "how the device took it (PFNC), e.g. Mono12 or BayerRG8",
            },
            **_part_headers(),
            "ce_run": {**_NAME, "description": "a replay's id; absent on the live stream"},
            "ce_replayedfrom": {
                **_NAME,
                "description": "topic/partition/offset of the record that was sent again",
            },
        },
        "required": [
            *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"),
            *("ce_camera", "ce_category", "ce_sequence"),
        ],
        "if": raw,
        "then": size,
    }


def _part_headers() -> dict[str, Schema]:
    """Who the part is. What cannot be used is left out; it costs no frame."""
    texts = {
        "part": "the part's id, the same in all its frames",
        "serial": "its serial number",
        "lot": "the lot or batch that it belongs to",
        "recipe": "what the machine was set to",
        "shift": "who worked, or when",
        "view": "which of several pictures of the part this is",
    }
    found = {
        f"ce_{name}": _text(what, minLength=1, maxLength=MOST_TEXT) for name, what in texts.items()
    }
    attributes = _text(
        f"a JSON object, anything else of the part: at most {MOST_ATTRIBUTES} names -> texts",
        examples=['{"cavity": "3"}'],
    )
    return found | {"ce_attributes": attributes}


def message_headers(message: type[Message]) -> Schema:
    """The headers of a JSON message."""
    name = message.message_name
    properties = _attributes(name, message.message_version)
    return {
        "type": "object",
        "properties": properties
        | {"content-type": {"const": JSON_CONTENT_TYPE, "description": "of the value"}},
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
    }
