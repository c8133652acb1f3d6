"""Records as others may write them: good ones with something wrong, drawn from a seed."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from schemas.envelope import WireMessage

NASTY = (
    *("\x1b]0;title\x07", "\x9b2J", "\u202eevil", "line\nline", "[bold]x[/]", "[/]", "\\", "\x00"),
    *("a" * 70_000, "é" * 300, "../../etc", "", " ", "\ud7ff", ":heart:"),
)
_JSON: tuple[Any, ...] = (
    *(None, True, -1, 2**63, 10**400, 1e308, -0.0, [], {}, [[]], {"": {}}, *NASTY),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "NaN"),
    *("alarms", "outcomes", "defects", "resolutions"),
)
_RAW = (b"", b"null", b"[]", b"{}", b'{"a":' * 3000, b"[" * 50_000, b"\xff\xfe\x00", b"NaN", b'"')


def mutated(good: Sequence[WireMessage], count: int, seed: int) -> Iterator[WireMessage]:
    """Mutations of good records; each has a foreign id, so that none can pass for a good one."""
    draw = random.Random(seed)  # noqa: S311
    for number in range(count):
        message = _strange(draw.choice(good), f"{number:08x}", draw)
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            message = draw.choice(_WAYS)(message, draw)
        yield message


def _strange(message: WireMessage, name: str, draw: random.Random) -> WireMessage:
    """The same message of somebody else."""
    headers = tuple((n, name.encode() if n == "ce_id" else data) for n, data in message.headers)
    try:
        content = json.loads(message.value)
    except (ValueError, RecursionError):
        return replace(message, headers=headers)
    for key in ("outcome_id", "alarm_id"):
        if key in content:
            content[key] = f"{name:b>32}"
    if content.get("frame"):
        content["frame"] |= {"frame_id": name, "camera_id": f"{draw.choice(NASTY)}{name}"[:200]}
    return WireMessage(message.key, json.dumps(content).encode(), headers)


def _header_value(message: WireMessage, draw: random.Random) -> WireMessage:
    at = draw.randrange(len(message.headers))
    value = draw.choice((b"", None, draw.randbytes(20), draw.choice(NASTY).encode()))
    headers = list(message.headers)
    headers[at] = (headers[at][0], value)  # type: ignore[assignment]
    return replace(message, headers=tuple(headers))


def _header_name(message: WireMessage, draw: random.Random) -> WireMessage:
    extra = (draw.choice(("ce_", "", "content-type", "ce_type")) + draw.choice(NASTY), b"x")
    return replace(message, headers=(*message.headers, extra))


def _fewer_headers(message: WireMessage, draw: random.Random) -> WireMessage:
    kept = draw.sample(message.headers, draw.randrange(len(message.headers)))
    return replace(message, headers=tuple(kept) or (("x", b""),))


def _bytes(message: WireMessage, draw: random.Random) -> WireMessage:
    data = bytearray(message.value or b"x")
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return replace(message, value=bytes(data[: draw.randint(1, len(data))]))


def _whole_value(message: WireMessage, draw: random.Random) -> WireMessage:
    large = draw.randbytes(draw.choice((10, 1000, 100_000)))
    return replace(message, value=draw.choice((*_RAW, None, large)))  # type: ignore[arg-type]


def _key(message: WireMessage, draw: random.Random) -> WireMessage:
    return replace(message, key=draw.choice((None, b"", draw.randbytes(30), b"k" * 5000)))


def _field(message: WireMessage, draw: random.Random) -> WireMessage:
    """A field of the JSON, anywhere in it, becomes something else, or goes."""
    try:
        content = json.loads(message.value or b"")
    except (ValueError, RecursionError):
        return _bytes(message, draw)
    node: Any = content
    while isinstance(node, dict | list) and node:
        key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.3:
            if isinstance(node, dict) and draw.random() < 0.2:
                del node[key]
            else:
                node[key] = draw.choice(_JSON)
            break
        node = inner
    return replace(message, value=json.dumps(content).encode())


_WAYS: tuple[Callable[[WireMessage, random.Random], WireMessage], ...] = (
    *(_header_value, _header_name, _fewer_headers, _bytes, _whole_value, _key),
    *(_field, _field, _field),
)
