"""What the chart knows of the processes' settings, so that a wrong one is refused when it renders.

Written into values.schema.json, one line a process. Secrets are left out: they are given by
reference, and one among the values is an unknown key.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from workers.config.command import Process, settings_class

FILE = Path(__file__).parents[2] / "helm" / "stream-inspector" / "values.schema.json"
PROCESSES = (
    *(Process.WORKER, Process.EXPLAINER, Process.NOTIFIER),
    *(Process.GATE, Process.CONSOLE, Process.CAMERA, Process.TRAINER, Process.EVIDENCE),
)

_KEPT = ("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

Node = dict[str, Any]


def settings_schema(model: type[BaseModel]) -> Node:
    """A closed JSON Schema of a settings class, without secrets, texts and defaults."""
    schema = model.model_json_schema()
    return _closed(schema, schema.get("$defs", {}))


def document(text: str) -> str:
    """values.schema.json with the line of each process as its settings are now."""
    for process in PROCESSES:
        schema = json.dumps(settings_schema(settings_class(process)))
        start = f'    "{process}Settings": '
        text = re.sub(f"(?m)^{start}.*$", f"{start}{schema},".replace("\\", r"\\"), text)
    return text


def _closed(node: Node, definitions: Node) -> Node:
    if "$ref" in node:
        return _closed(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    found = {key: node[key] for key in _KEPT if key in node}
    for key in ("anyOf", "oneOf"):
        if key in node:
            found["anyOf"] = [_closed(each, definitions) for each in node[key]]
    if "items" in node:
        found["items"] = _closed(node["items"], definitions)
    if "patternProperties" in node:
        named = node["patternProperties"].items()
        found["patternProperties"] = {name: _closed(each, definitions) for name, each in named}
        found["additionalProperties"] = False
    if "properties" in node:
        known = node["properties"].items()
        found["properties"] = {
            name: _closed(each, definitions) for name, each in known if not _secret(each)
        }
        found["additionalProperties"] = False
    elif isinstance(node.get("additionalProperties"), dict):
        found["additionalProperties"] = _closed(node["additionalProperties"], definitions)
    return found


def _secret(node: Node) -> bool:
    options = [node, *node.get("anyOf", []), node.get("items", {})]
    return any(each.get("format") == "password" for each in options)


if __name__ == "__main__":
    FILE.write_text(document(FILE.read_text()))
    sys.stdout.write(f"{FILE}\n")
