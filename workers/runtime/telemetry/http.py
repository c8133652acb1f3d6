"""A small HTTP server on one thread that no client can wear out.

Clients, their time and their words are bounded. When there is no room for one more, the one that
has been there longest without an answer goes: a probe says what it wants at once.
"""

import asyncio
import contextlib
import http
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

_log = structlog.get_logger(__name__)

_CLIENTS = 64
_CLIENT_S = 5.0  # from its connection to the end of its answer
_HEAD_BYTES = 8192  # a request has no body
_WAITING = 1024  # connections that the system keeps until they are taken: a probe is among them
_AT_ONCE = _CLIENTS // 4  # taken before who is in gets a hearing


class Answer(NamedTuple):
    """What a client gets."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class _Room:
    """Who is connected, the longest first."""

    most: int
    writers: dict[asyncio.StreamWriter, None] = field(default_factory=dict)

    def enter(self, writer: asyncio.StreamWriter) -> None:
        while len(self.writers) >= self.most:
            oldest = next(iter(self.writers))
            self.leave(oldest)
        self.writers[writer] = None

    def leave(self, writer: asyncio.StreamWriter) -> None:
        self.writers.pop(writer, None)
        writer.transport.abort()


class BoundedServer:
    """Answers GET and HEAD on a socket, which it closes. `answer` is called on its thread."""

    def __init__(
        self,
        listening: socket.socket,
        answer: Callable[[str], Answer],
        clients: int = _CLIENTS,
        client_s: float = _CLIENT_S,
    ) -> None:
        self._listening, self._answer = listening, answer
        self._room, self._client_s = _Room(clients), client_s
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(self._client_s)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._client, sock=self._listening, limit=_HEAD_BYTES, backlog=_AT_ONCE
        )
        self._listening.listen(_WAITING)
        async with server:
            await self._stop.wait()
            for writer in [*self._room.writers]:
                self._room.leave(writer)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._room.enter(writer)
        try:
            async with asyncio.timeout(self._client_s):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._reply(head))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who does not ask properly, in time, or went away, gets nothing
        finally:
            self._room.leave(writer)

    def _reply(self, head: bytes) -> bytes:
        method, target = (*head.partition(b"\r\n")[0].decode("latin-1").split(" "), "")[:2]
        if method not in {"GET", "HEAD"}:
            return _response(Answer(405, "text/plain", b"only GET and HEAD\n"), whole=True)
        try:
            answer = self._answer(target.partition("?")[0])
        except Exception:
            _log.exception("no answer for the health port", path=target[:100])
            answer = Answer(500, "text/plain", b"see the log\n")
        return _response(answer, whole=method == "GET")


def _response(answer: Answer, *, whole: bool) -> bytes:
    status = http.HTTPStatus(answer.status)
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
    )
    head = "".join(f"{line}\r\n" for line in lines).encode()
    return head + b"\r\n" + (answer.body if whole else b"")
