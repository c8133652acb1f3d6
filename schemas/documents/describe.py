"""The types of a JSON Schema in words, for the reference pages."""

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

_SIGNS = {
    "minimum": ">=",
    "maximum": "<=",
    "exclusiveMinimum": ">",
    "exclusiveMaximum": "<",
    "multipleOf": "a multiple of",
    "minLength": "length >=",
    "maxLength": "length <=",
    "minItems": "items >=",
    "maxItems": "items <=",
}
_FORMATS = {"path": "path", "date-time": "time (RFC 3339)"}


def resolved(node: Node, definitions: Node) -> Node:
    """The node itself, or what its `$ref` names."""
    reference = node.get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else node


def type_in_words(node: Node, definitions: Node) -> str:
    """For instance `integer, >= 0` or `list of string`; a section is an `object`."""
    node = resolved(node, definitions)
    if "anyOf" in node:
        kinds = [type_in_words(each, definitions) for each in node["anyOf"]]
        return " or ".join(sorted(kinds, key=lambda kind: kind == "null"))
    if "enum" in node or "const" in node:
        return ", ".join(f"`{each}`" for each in node.get("enum", [node.get("const")]))
    return ", ".join([_kind(node, definitions), *_bounds(node)])


def table(rows: list[list[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<c", "&lt;c")


def _kind(node: Node, definitions: Node) -> str:
    kind = _FORMATS.get(node.get("format", ""), node.get("type", "any"))
    if kind == "array":
        return _list(node, definitions)
    values = node.get("additionalProperties")
    if kind == "object" and isinstance(values, Mapping):
        return f"mapping to {type_in_words(values, definitions)}"
    return str(kind)


def _list(node: Node, definitions: Node) -> str:
    if "prefixItems" in node:
        parts = (type_in_words(each, definitions) for each in node["prefixItems"])
        return f"[{', '.join(parts)}]"
    return f"list of {type_in_words(node['items'], definitions)}" if "items" in node else "list"


def _bounds(node: Node) -> Iterator[str]:
    if "pattern" in node:
        yield f"like `{node['pattern']}`"
    if "prefixItems" in node:
        return
    for key, sign in _SIGNS.items():
        if key in node:
            yield f"{sign} {node[key]}"
