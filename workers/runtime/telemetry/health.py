"""The HTTP port of a process: /livez, /readyz and /metrics."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import HealthSettings

Check = Callable[[], str | None]  # None when all is well, else what is wrong


def healthy() -> str | None:
    """A check that always passes."""
    return None


class HealthServer:
    """Serves the checks while it is entered. Port 0 in the settings: does nothing."""

    def __init__(
        self,
        settings: HealthSettings,
        registry: CollectorRegistry | None = None,
        live: Check = healthy,
        ready: Check = healthy,
        notes: Check = healthy,
    ):
        """`notes` are added to what /readyz says when all is well enough to work."""
        self._settings = settings
        self._routes = {"/livez": live, "/readyz": ready}
        self._notes = notes
        self._registry = registry or CollectorRegistry()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        if self._settings.port:
            address = (self._settings.host, self._settings.port)
            try:
                self._server = ThreadingHTTPServer(address, self._handler())
            except OSError as error:
                raise SettingsError(
                    f"health.port: cannot listen on {address[0]}:{address[1]}: {error}"
                ) from error
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        check = self._routes.get(path)
        if check is None:
            return 404, "text/plain", b"try /livez, /readyz or /metrics\n"
        problem = check()
        if problem is not None:
            return 503, "text/plain", f"{problem}\n".encode()
        notes = self._notes() if path == "/readyz" else None
        return 200, "text/plain", f"ok{f'; {notes}' if notes else ''}\n".encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # seconds; a client that says nothing does not hold a thread

            def do_GET(self) -> None:
                status, content_type, body = answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
                return

        return Handler
