"""The AsyncAPI 3.0 document: which process sends and receives what, on which topic."""

from typing import Any

from schemas.acknowledgement import Acknowledgement
from schemas.alarm import Alarm
from schemas.camera_state import CameraState
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.documents import samples
from schemas.envelope import JSON_CONTENT_TYPE
from schemas.explanation import Explanation
from schemas.frame import encode_frame
from schemas.headers import message_headers
from schemas.interruption import Interruption
from schemas.message import Message
from schemas.outcome import Outcome
from schemas.resolution import Resolution
from schemas.review import Review
from schemas.topics import (
    ALARMS,
    CAMERA_STATES,
    DEAD_LETTERS,
    DEFECTS,
    EXPLANATIONS,
    FRAMES,
    OUTCOMES,
    RESOLUTIONS,
    REVIEWS,
    SHADOWS,
    TOPICS,
    Topic,
)

MESSAGES: tuple[type[Message], ...] = (
    Outcome,
    DefectEvent,
    Explanation,
    DeadLetter,
    Interruption,
    Resolution,
    CameraState,
    Review,
    Alarm,
    Acknowledgement,
)
Node = dict[str, Any]

_FRAME_KEY = "camera id: a line keeps its order per camera"
_CAMERA_KEY = "camera id; topic and partition of the frame when it is unreadable"
_KEYS = {
    "frame": _FRAME_KEY,
    "interruption": "topic and partition",
    "resolution": "outcome id of the dead letter",
    "camera-state": "camera id, or the pattern of ids",
    "review": "outcome id of the frame that is judged",
    "acknowledgement": "camera id of the alarms",
    "alarm": "camera id; what stands for it when the frame is unreadable",
}

KAFKA_BINDING = "0.5.0"
OPERATIONS = (
    ("camera", "send", FRAMES),
    ("camera", "send", CAMERA_STATES),
    ("line", "send", CAMERA_STATES),
    ("inspector", "receive", FRAMES),
    ("inspector", "send", OUTCOMES),
    ("inspector", "send", SHADOWS),
    ("inspector", "send", DEFECTS),
    ("inspector", "send", DEAD_LETTERS),
    ("explainer", "receive", DEFECTS),
    ("explainer", "receive", OUTCOMES),
    ("explainer", "receive", FRAMES),
    ("explainer", "send", EXPLANATIONS),
    ("dlq", "receive", DEAD_LETTERS),
    ("dlq", "receive", RESOLUTIONS),
    ("dlq", "receive", REVIEWS),
    ("dlq", "send", RESOLUTIONS),
    ("dlq", "send", FRAMES),
    ("collector", "receive", FRAMES),
    ("collector", "receive", OUTCOMES),
    ("collector", "receive", REVIEWS),
    ("gate", "receive", FRAMES),
    ("gate", "receive", OUTCOMES),
    ("notifier", "receive", OUTCOMES),
    ("notifier", "receive", DEFECTS),
    ("notifier", "receive", EXPLANATIONS),
    ("notifier", "receive", DEAD_LETTERS),
    ("notifier", "receive", CAMERA_STATES),
    ("review", "receive", OUTCOMES),
    ("review", "receive", REVIEWS),
    ("review", "send", REVIEWS),
    ("notifier", "receive", REVIEWS),
    ("notifier", "send", ALARMS),
    *(("console", "receive", topic) for topic in TOPICS),
    ("console", "send", REVIEWS),
    ("console", "send", CAMERA_STATES),
    ("console", "send", ALARMS),
)


def key_of(message: str) -> str:
    """What the record's key is, in words."""
    return _KEYS.get(message, _CAMERA_KEY)


def document() -> Node:
    """The whole document. Payloads refer to the JSON Schemas beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "stream-inspector",
            "version": "1.0.0",
            "description": "Camera frames in, one outcome per frame, defect events and alarms out."
            " CloudEvents 1.0, Kafka binding, binary mode.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON_CONTENT_TYPE,
        "servers": {"broker": _server("kafka"), "secured": _server("kafka-secure")},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"{who}-{what}-{topic.name}": _operation(what, topic) for who, what, topic in OPERATIONS
        },
        "components": {
            "messages": {"frame": _frame()} | {m.message_name: _json(m) for m in MESSAGES},
            "securitySchemes": _SCHEMES,
        },
    }


_SCHEMES: dict[str, Node] = {
    "plain": {"type": "plain", "description": "kafka.security.mechanism PLAIN, over TLS only"},
    "scram-256": {"type": "scramSha256", "description": "kafka.security.mechanism SCRAM-SHA-256"},
    "scram-512": {"type": "scramSha512", "description": "kafka.security.mechanism SCRAM-SHA-512"},
    "certificate": {"type": "X509", "description": "mutual TLS: kafka.security.tls"},
}
_LOGINS = {"kafka": ("scram-256", "scram-512"), "kafka-secure": tuple(_SCHEMES)}


def _server(protocol: str) -> Node:
    tls = " with TLS" if protocol == "kafka-secure" else ", no TLS"
    schemes = [{"$ref": f"#/components/securitySchemes/{each}"} for each in _LOGINS[protocol]]
    return {
        "host": "{bootstrap}",
        "protocol": protocol,
        "description": f"setting kafka.bootstrap_servers{tls}. A login as the broker wants it, one "
        "of those below or none: kafka.security. docs/security.md names the rights",
        "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
        "security": schemes,
    }


def _channel(topic: Topic) -> Node:
    return {
        "address": topic.name,
        "description": f"Kept {topic.retention_hours} hours: {topic.why}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": topic.retention_hours * 3_600_000,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operation(action: str, topic: Topic) -> Node:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [
            {"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in topic.messages
        ],
    }


def _frame() -> Node:
    return {
        "name": "frame",
        "title": "Frame",
        "summary": "One encoded image; everything else in headers.",
        "contentType": "image/*",
        "headers": {"$ref": "./json/frame-headers.json"},
        "payload": {"type": "string", "format": "binary"},
        "bindings": _keyed(key_of("frame")),
        "examples": [
            {
                "name": "frame",
                "summary": "headers only: the payload is the picture",
                "headers": samples.as_text(encode_frame(samples.FRAME).headers),
            }
        ],
    }


def _json(message: type[Message]) -> Node:
    name = message.message_name
    return {
        "name": name,
        "title": message.__name__,
        "summary": (message.__doc__ or "").splitlines()[0],
        "contentType": JSON_CONTENT_TYPE,
        "headers": message_headers(message),
        "payload": {"$ref": f"./json/{name}.json"},
        "bindings": _keyed(key_of(name)),
        "examples": [_example(each) for each in samples.MESSAGES if _is_of(each, name)],
    }


def _is_of(sample: str, message: str) -> bool:
    return samples.MESSAGES[sample].message_name == message


def _example(name: str) -> Node:
    message = samples.MESSAGES[name]
    headers = samples.as_text(message.encode().headers)
    return {"name": name, "headers": headers, "payload": message.model_dump(mode="json")}


def _keyed(description: str) -> Node:
    key = {"type": "string", "description": description}
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}
