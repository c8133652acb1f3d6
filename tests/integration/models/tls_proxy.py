"""A port that speaks TLS in front of a server that does not: a real handshake for its clients."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator

HOST = "127.0.0.1"


@contextlib.contextmanager
def tls_proxy(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Forward what arrives under `context` to a port of this machine. Gives the port to talk to."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="tls-proxy", daemon=True).start()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    serving = asyncio.start_server(forward, HOST, 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    writer.close()
