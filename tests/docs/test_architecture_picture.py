"""The picture in docs/architecture.md is right: it shows who reads and writes which topic."""

import re

from schemas.documents.asyncapi import OPERATIONS
from schemas.topics import TOPICS
from tests.docs.markdown import ROOT, read

_NODE = r"(\w+)(?:\[\(([^)]*)\)\]|\(\[([^\]]*)\]\)|\[([^\]]*)\])?"
_EDGE = re.compile(rf"^\s*{_NODE} (-->|-\.->) {_NODE}$")


def picture() -> tuple[set[tuple[str, str]], dict[str, str]]:
    """Its solid edges by the names of their ends, and the name of every node."""
    (block,) = (
        b for b in read(ROOT / "docs" / "architecture.md").blocks if b.language == "mermaid"
    )
    head, *lines = block.text.splitlines()
    assert head == "flowchart LR"
    names: dict[str, str] = {}
    edges = []
    for line in lines:
        found = _EDGE.match(line)
        assert found, line
        start, end = found.group(1), found.group(6)
        for node, labels in ((start, found.group(2, 3, 4)), (end, found.group(7, 8, 9))):
            names.setdefault(node, next((label for label in labels if label), ""))
        if found.group(5) == "-->":
            edges.append((start, end))
    return {(names[a], names[b]) for a, b in edges}, names


def test_solid_lines_are_what_travels_on_kafka() -> None:
    expected = {
        (who, topic.name) if what == "send" else (topic.name, who)
        for who, what, topic in OPERATIONS
    }
    assert picture()[0] == expected


def test_every_topic_is_shown_and_every_node_has_a_name() -> None:
    names = picture()[1]
    assert {topic.name for topic in TOPICS} <= set(names.values())
    assert all(names.values())
