"""A TCP proxy that can be cut, stalled or slowed: the network between a client and a server."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from workers.runtime.servers.process import HOST, free_ports

_CHUNK = 2**16  # bytes


class Proxy:
    """Listens on `port` and passes on to `upstream`, a port of this machine that may change."""

    def __init__(self, upstream: int = 0) -> None:
        (self.port,) = free_ports(1)
        self.upstream = upstream
        self._delay_s = 0.0
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._flowing.set()
        self._thread.start()
        serving = asyncio.start_server(self._serve, HOST, self.port)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)
        return self

    def __exit__(self, *error: object) -> None:
        self.mend()
        self.cut()
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(5)
        self._in_loop(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Connections are closed, new ones too."""
        self._in_loop(self._abort_all)

    def stall(self) -> None:
        """Connections stay, nothing comes through: a cable that was pulled."""
        self._in_loop(self._flowing.clear)

    def slow(self, delay_s: float) -> None:
        """What goes through is late, in both directions."""
        self._delay_s = delay_s

    def mend(self) -> None:
        """Everything as it was."""
        self._delay_s, self._cut = 0.0, False
        self._in_loop(self._flowing.set)

    def _in_loop(self, do: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(do)

    def _abort_all(self) -> None:
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _finish(self) -> None:
        """Let every connection come to its end."""
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(HOST, self.upstream)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(_CHUNK):
                await asyncio.sleep(self._delay_s)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side is gone; the other is told below
        finally:
            self._writers.discard(writer)
            writer.close()
