"""The HTTP port of a process: /livez, /readyz and /metrics."""

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from workers.runtime.errors import SettingsError
from workers.runtime.secrets import conceal
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.http import Answer, BoundedServer

Check = Callable[[], str | None]  # None when all is well, else what is wrong

_PLAIN = "text/plain"


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
        self._server: BoundedServer | None = None

    def __enter__(self) -> Self:
        if self._settings.port:
            self._server = BoundedServer(self._listen(), self.answer)
            self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()

    def answer(self, path: str) -> Answer:
        """Status, content type and body for a path."""
        if path == "/metrics":
            return Answer(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
        check = self._routes.get(path)
        if check is None:
            return Answer(404, _PLAIN, b"try /livez, /readyz or /metrics\n")
        problem = check()
        if problem is not None:
            return Answer(503, _PLAIN, f"{conceal(problem)}\n".encode(errors="replace"))
        notes = self._notes() if path == "/readyz" else None
        said = f"ok{f'; {conceal(notes)}' if notes else ''}\n"
        return Answer(200, _PLAIN, said.encode(errors="replace"))

    def _listen(self) -> socket.socket:
        host, port = self._settings.host.strip("[]"), self._settings.port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            everything = host == "::" and socket.has_dualstack_ipv6()
            return socket.create_server((host, port), family=family, dualstack_ipv6=everything)
        except OSError as error:
            raise SettingsError(
                f"health.host, health.port: cannot listen on {host} port {port}: {error}"
            ) from error
