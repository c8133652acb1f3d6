"""Serves the application on a thread of its own; the process's signals stay the process's."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette

from workers.console.settings import ConsoleSettings
from workers.runtime.errors import SettingsError

_CONNECTIONS = 256
_ENDING_S = 3


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        yield


class Serving:
    """Listens while it is entered."""

    def __init__(self, app: Starlette, settings: ConsoleSettings):
        self._settings = settings
        self._socket = _listen(settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # who is believed says console.access.proxy
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_ENDING_S,
            h11_max_incomplete_event_size=16 * 1024,
            ssl_certfile=settings.certificate_file,
            ssl_keyfile=settings.key_file,
        )
        try:
            config.load()
        except OSError as error:  # SSLError is one
            self._socket.close()
            raise SettingsError(
                f"console.certificate_file, console.key_file: {error.strerror or error}"
            ) from None
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="console-pages", daemon=True)
        self.failure: str | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host, port = self._socket.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
        shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
        return f"{'https' if self._settings.certificate_file else 'http'}://{shown}:{port}"

    @property
    def alive(self) -> bool:
        """Whether pages are served."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # told by the process, which ends
            self.failure = repr(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(2 * _ENDING_S)
        self._socket.close()


def _listen(settings: ConsoleSettings) -> socket.socket:
    host, port = settings.host.strip("[]"), settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        everything = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, dualstack_ipv6=everything)
    except OSError as error:
        raise SettingsError(
            f"console.host, console.port: cannot listen on {host} port {port}: {error}"
        ) from error
