"""What a process and its decoders say to each other: lengths, JSON, then bytes."""

import json
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct("<II")  # of the JSON and of the bytes behind it


def send(line: socket.socket, head: dict[str, Any], *body: bytes | memoryview) -> None:
    """Raises OSError when nobody is there."""
    text = json.dumps(head).encode()
    line.sendall(_LENGTHS.pack(len(text), sum(len(part) for part in body)) + text)
    for part in body:
        line.sendall(part)


def receive(line: socket.socket) -> tuple[dict[str, Any], bytearray]:
    """Raises EOFError when nobody is there, OSError, or TimeoutError by the line's own patience."""
    lengths = _exactly(line, _LENGTHS.size)
    head, body = _LENGTHS.unpack(lengths)
    return json.loads(_exactly(line, head)), _exactly(line, body)


def _exactly(line: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    left = memoryview(data)
    while left:
        read = line.recv_into(left)
        if not read:
            raise EOFError
        left = left[read:]
    return data
