"""A service that takes alarms, and can refuse, redirect, hang or be slow: an alarm's last step."""

import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

from workers.runtime.servers.process import HOST

Mood = Literal["ok", "refuse", "redirect", "hang"]

_ALARM = re.compile(rb"alarm ([0-9a-f]{32})")
_HANG_S = 300.0


class Webhook:
    """Notes the id of every alarm that it took."""

    def __init__(self) -> None:
        self.mood: Mood = "ok"
        self.taken: Counter[str] = Counter()  # alarm id -> times
        self.refused: set[str] = set()
        self._calm = threading.Event()
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """As Apprise writes it."""
        return f"json://{HOST}:{self._server.server_address[1]}/alarms"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._calm.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: bytes) -> int:
        """The status for an alarm, noted."""
        ids = [found.decode() for found in _ALARM.findall(body)]
        mood = self.mood
        if mood == "hang":
            self._calm.wait(_HANG_S)
            return 500
        if mood == "refuse":
            self.refused.update(ids)
            return 400
        if mood == "redirect":
            return 302
        self.taken.update(ids)
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = hook.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://{HOST}:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                """What a redirect that was followed would become: no alarm."""
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
                return

        return Handler

    def first_heard_s(self, alarm_id: str, since: float, patience_s: float) -> float | None:
        """Seconds from `since` (monotonic) until an alarm came; None: not in time."""
        while time.monotonic() < since + patience_s:
            if alarm_id in self.taken:
                return time.monotonic() - since
            time.sleep(0.01)
        return None
