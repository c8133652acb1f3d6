"""The live page: each camera's last frame, verdicts, rate, latency and silence; and the wall."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from workers.console.asking.live import live
from workers.console.pages.desk import Asked, Room, person_of, room_of

_EACH_S = 1.0
_LONGEST_S = 3600.0  # then the browser asks again, and shows that it may


def live_page(asked: Asked) -> Response:
    """All cameras; `?wall` for a screen in the hall."""
    with asked.room.database.read() as connection:
        found = live(connection)
    wall = "wall" in asked.query
    return asked.show("live.html.j2", live=found, wall=wall)


class LiveStream:
    """The cameras again each second, made once for everybody who looks."""

    def __init__(self, most: int):
        self._most, self._open = most, 0
        self._lock = threading.Lock()
        self._made: tuple[float, str] = (0.0, "")

    async def stream(self, request: Request) -> Response:
        """Server-sent events for one page."""
        room = room_of(request)
        if await run_in_threadpool(person_of, request, room) is None:
            return PlainTextResponse("log in first", 401)
        if self._open >= self._most:
            return PlainTextResponse(
                "as many live pages are open as console.viewers allows", 503, {"Retry-After": "60"}
            )
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._events(request, room), media_type="text/event-stream", headers=headers
        )

    async def _events(self, request: Request, room: Room) -> AsyncIterator[str]:
        self._open += 1
        until = time.monotonic() + _LONGEST_S
        try:
            while time.monotonic() < until and not room.stopping.is_set():
                if await request.is_disconnected():
                    return
                text = await run_in_threadpool(self._cameras, room)
                yield "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"
                await asyncio.sleep(_EACH_S)
        finally:
            self._open -= 1

    def _cameras(self, room: Room) -> str:
        with self._lock:
            made_s, text = self._made
            if time.monotonic() - made_s >= _EACH_S * 0.9:
                with room.database.read() as connection:
                    found, problems = live(connection), room.problems()
                text = room.shown.text("cameras.html.j2", live=found, problems=problems)
                self._made = (time.monotonic(), text)
            return text
