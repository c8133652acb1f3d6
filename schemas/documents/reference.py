"""Writes docs/messages.md from the models, topics and samples (`make docs`)."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.documents.asyncapi import MESSAGES, OPERATIONS, key_of
from schemas.documents.describe import Node, resolved, table, type_in_words
from schemas.documents.samples import MESSAGES as SAMPLES
from schemas.envelope import event_type
from schemas.headers import frame_headers
from schemas.message import Message
from schemas.topics import FRAMES, TOPICS, Topic

FILE = Path(__file__).parents[2] / "docs" / "messages.md"

_INTRODUCTION = """\
# Messages

<!-- Written from the models by `make docs`; change those, not this file. -->

What travels on Kafka: CloudEvents 1.0 in the Kafka binding's binary mode, attributes in headers,
data in the value. The same for machines: [AsyncAPI](../schemas/asyncapi.yaml), a
[JSON Schema](../schemas/json) and a [sample](../schemas/samples) of each message.

## Rules for a subscriber

1. **Read committed records only**: set `isolation.level=read_committed`. Some clients do by default
   (kafkajs), others do not (the Java client, kafka-python). Otherwise outcomes of aborted
   transactions are read, and frames counted twice.
2. **Look at `ce_type`.** Its end is the major version. A newer minor version keeps the type and may
   add fields: ignore those that you do not know. A newer major version is another type.
3. **Drop a repeated event**: the same `ce_id` with the same `frame`. It is delivered again by a
   broker without transactions, or because you were restarted before you committed. Of a frame the
   id is the `outcome_id`, the same for pass, defect and reject, and for every delivery of that
   frame. The id alone is too little: a camera may use one again, for instance when it counts
   from 1 after each start, and then the second defect is another part.
4. **Order** holds for equal keys, that is for a camera. Between cameras there is none.
5. **Commit after your own work**, not before: then nothing is missed when you are killed.
6. A frame that was not inspected is a part that ships unseen: whoever reads `defects` alone does
   not hear of it. Read `alarms`, or `outcomes` with `rejected`, or `dead-letters`.
7. A verdict is out before there are pictures: links come in `explanations`, under the same `ce_id`
   and `frame`, seconds later or never. Do not wait for them to stop a part.

Subscribers that do all this: [Python](examples/python/subscriber.py),
[JavaScript](examples/javascript/subscriber.js); producers of frames:
[Python](examples/python/producer.py), [JavaScript](examples/javascript/producer.js);
[rights](security.md) that they need.

```
pip install "confluent-kafka>=2.11,<3"
KAFKA=127.0.0.1:9092 python docs/examples/python/subscriber.py
KAFKA=127.0.0.1:9092 CAMERA=line-1 CATEGORY=bolts python docs/examples/python/producer.py 1.png
```

## Topics
"""

_HEADERS = """\
## Headers

Every message has `ce_specversion` (`1.0`), `ce_id`, `ce_source`, `ce_type` and `ce_time`, and may
have `ce_dataschema` (names the minor version), `ce_partitionkey` (the record's key) and
`ce_traceparent` (W3C trace context). JSON messages have the `content-type` `application/json`.
Values are UTF-8.

## Fields

Every field of a message's version is written; one that has nothing to say is `null`, or an empty
list or mapping. "present" below says what a reader may count on: `always`, in every version. A
value that may be null has `or null` in its type, and its meaning says when. The others came with a
later minor version: read them as the default that the schema names when they are absent.

Times are RFC 3339 in UTC. Lengths and places are pixels of **the upright frame**, x to the right
and y down from the top left corner, unless a field says canvas: the canvas is what the network saw,
after the category's view cut and scaled the frame. Upright is as image viewers show it, turned as
its EXIF orientation says; a category whose view has `orientation: stored` means its pixels as they
are stored. Scores and thresholds have no unit.
"""


def document() -> str:
    """docs/messages.md."""
    messages = [_message(model) for model in MESSAGES]
    parts = [_INTRODUCTION, _topics(), _HEADERS, _frame(), *messages]
    return "\n".join(parts)


def _topics() -> str:
    head = ["topic", "messages", "key", "kept", "from", "to"]
    return table([head, *(_topic(topic) for topic in TOPICS)])


def _topic(topic: Topic) -> list[str]:
    def who(action: str) -> str:
        found = [name for name, what, where in OPERATIONS if (what, where) == (action, topic)]
        yours = ["subscribers"] if action == "receive" and topic != FRAMES else []
        return ", ".join([*found, *yours])

    names = ", ".join(f"[{name}](#{name})" for name in topic.messages)
    kept = f"{topic.retention_hours} h: {topic.why}"
    return [f"`{topic.name}`", names, key_of(topic.messages[0]), kept, who("send"), who("receive")]


def _frame() -> str:
    schema = frame_headers()
    required = set(schema["required"])
    rows = [
        [f"`{name}`", type_in_words(node, {}), _written(name in required), node["description"]]
        for name, node in schema["properties"].items()
    ]
    head = ["header", "type", "required", "meaning"]
    return (
        "## frame\n\nOne encoded image, whole, in the value; everything else in headers. Type "
        f"`{event_type('frame')}`, key: {key_of('frame')}.\n"
        "[Sample](../schemas/samples/frame.json), [schema](../schemas/json/frame-headers.json).\n\n"
        + table([head, *rows])
    )


def _message(model: type[Message]) -> str:
    name, schema = model.message_name, model.model_json_schema()
    samples = [each for each, sample in SAMPLES.items() if sample.message_name == name]
    links = ", ".join(f"[{each}](../schemas/samples/{each}.json)" for each in samples)
    rows = list(_fields(schema, schema.get("$defs", {}), ""))
    major = int(model.message_version.partition(".")[0])
    return (
        f"## {name}\n\n{(model.__doc__ or '').strip().splitlines()[0]} "
        f"Type `{event_type(name, major)}`, version {model.message_version}, key: {key_of(name)}.\n"
        f"Samples: {links}; [schema](../schemas/json/{name}.json).\n\n"
        + table([["field", "type", "present", "meaning"], *rows])
        + _sample(name)
    )


def _sample(name: str) -> str:
    if name not in _SHOWN:
        return ""
    content = json.dumps(SAMPLES[name].model_dump(mode="json"), indent=2, ensure_ascii=False)
    return f"\n```json\n{content}\n```\n"


_SHOWN = ("defect", "explanation", "alarm")  # what subscribers read most; the others are linked


def _fields(node: Node, definitions: Node, prefix: str) -> Iterator[list[str]]:
    required = set(node.get("required", ()))
    for name, field in node["properties"].items():
        inside, mark = _object_in(field, definitions)
        text = field.get("description", "")
        if inside is None:
            kind = type_in_words(field, definitions)
            yield [f"`{prefix}{name}`", kind, _present(name in required), text]
        else:
            kind = "list of objects" if mark else "object"
            yield [f"`{prefix}{name}`", kind, _present(name in required), text]
            yield from _fields(inside, definitions, f"{prefix}{name}{mark}.")


def _object_in(field: Mapping[str, Any], definitions: Node) -> tuple[Node | None, str]:
    """The object that a field is, may be, or is a list of; and what marks a list."""
    options = [(each, "") for each in field.get("anyOf", [field])]
    options += [(each["items"], "[]") for each, _ in options if "items" in each]
    for option, mark in options:
        found = resolved(option, definitions)
        if "properties" in found:
            return found, mark
    return None, ""


def _present(required: bool) -> str:
    return "always" if required else ""


def _written(required: bool) -> str:
    return "yes" if required else ""


if __name__ == "__main__":
    FILE.write_text(document())
    sys.stdout.write(f"{FILE}\n")
