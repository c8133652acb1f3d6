"""A proxy before a broker that changes record batches on their way: what a disk or wire may do."""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

from kafka.protocol.consumer import FetchResponse
from kafka.protocol.metadata import FindCoordinatorResponse, MetadataResponse

HOST = "127.0.0.1"
_FETCH, _METADATA, _COORDINATOR = 1, 3, 10

Damage = Callable[[str, int, int, bytes], bytes]  # topic, partition, base offset, batch -> batch


def whole(topic: str, partition: int, base: int, batch: bytes) -> bytes:
    """As it was written."""
    return batch


class FetchProxy:
    """Listens on a port of its own. The broker's answers name it as the broker, or `advertised`."""

    def __init__(
        self,
        upstream: str,
        damage: Damage = whole,
        host: str = HOST,
        advertised: tuple[str, int] | None = None,
    ) -> None:
        server, port = upstream.rsplit(":", 1)
        self._upstream, self._damage = (server, int(port)), damage
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        own = self._listener.getsockname()[1]
        self._advertised = advertised or (host, own)
        self.address = f"[{host}]:{own}" if ":" in host else f"{host}:{own}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            asked: dict[int, tuple[int, int]] = {}
            for body in (self._requests, self._responses):
                threading.Thread(target=body, args=(client, server, asked), daemon=True).start()

    def _requests(self, client: Any, server: Any, asked: dict[int, tuple[int, int]]) -> None:
        while frame := _frame(client):
            key, version, number = struct.unpack_from(">hhi", frame)
            asked[number] = key, version
            if not _send(server, frame):
                break
        server.close()

    def _responses(self, client: Any, server: Any, asked: dict[int, tuple[int, int]]) -> None:
        while frame := _frame(server):
            (number,) = struct.unpack_from(">i", frame)
            if not _send(client, self._changed(frame, *asked.pop(number))):
                break
        client.close()

    def _changed(self, frame: bytes, key: int, version: int) -> bytes:
        kinds = {
            _FETCH: FetchResponse,
            _METADATA: MetadataResponse,
            _COORDINATOR: FindCoordinatorResponse,
        }
        if key not in kinds:
            return frame
        kind = kinds[key]
        head = 5 if kind.flexible_version_q(version) else 4
        found = kind.decode(frame[head:], version=version)
        {_FETCH: self._spoil, _METADATA: self._name, _COORDINATOR: self._name}[key](found)
        found._header = None  # decoding leaves it out, and encoding asks for it
        return frame[:head] + bytes(found.encode(version=version))

    def _name(self, found: Any) -> None:
        for each in getattr(found, "brokers", None) or getattr(found, "coordinators", None) or ():
            each.host, each.port = self._advertised
        if getattr(found, "host", None):
            found.host, found.port = self._advertised

    def _spoil(self, found: Any) -> None:
        for topic in found.responses:
            for part in topic.partitions:
                name, index = topic.topic, part.partition_index
                part.records = b"".join(
                    self._damage(name, index, base, batch)
                    for base, batch in batches(bytes(part.records or b""))
                )


def batches(data: bytes) -> list[tuple[int, bytes]]:
    """Base offset and bytes of each batch; the last one may be cut off."""
    found, at = [], 0
    while len(data) - at >= 12:
        base, size = struct.unpack_from(">qi", data, at)
        found.append((base, data[at : at + 12 + size]))
        at += 12 + size
    return found


def _frame(sock: Any) -> bytes:
    head = _exactly(sock, 4)
    return _exactly(sock, struct.unpack(">i", head)[0]) if head else b""


def _exactly(sock: Any, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        try:
            part = sock.recv(size - len(data))
        except OSError:
            return b""
        if not part:
            return b""
        data += part
    return bytes(data)


def _send(sock: Any, frame: bytes) -> bool:
    try:
        sock.sendall(struct.pack(">i", len(frame)) + frame)
    except OSError:
        return False
    return True
