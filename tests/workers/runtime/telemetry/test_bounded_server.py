"""Thousands of slow clients neither stop the probes nor cost threads and file descriptors."""

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psutil
import pytest
from prometheus_client import CollectorRegistry, Counter

from tests.workers.runtime.telemetry.test_health_server import free_port, get
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.http import Answer, BoundedServer

SLOW = 3000
SERVER = """
import sys, time
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
with HealthServer(HealthSettings(port=int(sys.argv[1]))):
    print("listening", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process plays all the clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, SLOW + 2000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def served() -> Iterator[tuple[int, psutil.Process]]:
    """A process with 1024 file descriptors whose health port is open."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),  # noqa: PLW1509
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"listening\n"
            yield port, psutil.Process(process.pid)
        finally:
            process.kill()


class SlowClients:
    """Send a byte every 3 s, and come back when they are sent away."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._stop = port, threading.Event()
        self._sockets: list[socket.socket | None] = [None] * count
        self._thread = threading.Thread(target=self._run)
        self.connections = 0

    def __enter__(self) -> "SlowClients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for each in filter(None, self._sockets):
            each.close()

    def _run(self) -> None:
        while not self._stop.wait(3.0 if self.connections else 0.0):
            for index, each in enumerate(self._sockets):
                if self._stop.is_set():
                    return
                self._sockets[index] = self._speak(each)

    def _speak(self, client: socket.socket | None) -> socket.socket | None:
        try:
            if client is None:
                client = socket.socket()
                client.settimeout(2.0)
                client.connect(("127.0.0.1", self._port))
                self.connections += 1
            client.send(b"G")
            return client
        except OSError:
            if client is not None:
                client.close()
            return None


@pytest.mark.integration
def test_probes_are_answered_beside_thousands_of_slow_clients(
    many_files: None, served: tuple[int, psutil.Process]
) -> None:
    port, process = served
    waits, threads, files = [], [], []
    with SlowClients(port, SLOW) as clients:
        deadline = time.monotonic() + 60
        while clients.connections < SLOW and time.monotonic() < deadline:
            time.sleep(0.1)
        assert clients.connections >= SLOW
        for path in ["/livez", "/readyz", "/metrics"] * 10:
            began = time.monotonic()
            assert get(port, path)[0] == 200
            waits.append(time.monotonic() - began)
            threads.append(process.num_threads())
            files.append(process.num_fds())
            time.sleep(0.2)
    assert max(waits) < 1.0
    assert max(threads) < 20
    assert max(files) < 200


@pytest.fixture
def small() -> Iterator[int]:
    """A server of 4 clients that have half a second each; returns its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = BoundedServer(listening, lambda path: Answer(200, "text/plain", path.encode()), 4, 0.5)
    server.start()
    yield int(listening.getsockname()[1])
    server.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def ends(client: socket.socket) -> bool:
    """Whether the server closes the connection without a word."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_is_silent_longest_makes_room(small: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(small)) for _ in range(5)]
        clients[0].settimeout(0.3)  # less than its time
        assert ends(clients[0])
        clients[4].sendall(b"GET /late HTTP/1.1\r\n\r\n")
        assert clients[4].recv(4096).endswith(b"/late")


@pytest.mark.parametrize(
    "say",
    [
        lambda client: None,
        lambda client: client.sendall(b"GET /livez HTTP/1.1\r\nHost:"),
        lambda client: client.sendall(b"x" * 100_000),
        lambda client: client.shutdown(socket.SHUT_WR),
    ],
)
@pytest.mark.slow
def test_who_never_asks_properly_is_sent_away(
    small: int, say: Callable[[socket.socket], object]
) -> None:
    with closing(connect(small)) as client:
        say(client)
        assert ends(client)
    assert get(small, "/after") == (200, "/after")


def test_other_methods_are_refused_and_a_head_has_no_body(small: int) -> None:
    for request, status in ((b"POST / HTTP/1.1", b"405"), (b"\x16\x03\x01", b"405")):
        with closing(connect(small)) as client:
            client.sendall(request + b"\r\n\r\n")
            assert client.recv(4096).split(b" ")[1] == status
    with closing(connect(small)) as client:
        client.sendall(b"HEAD /livez HTTP/1.0\r\n\r\n")
        assert client.recv(4096).endswith(b"\r\n\r\n")


@pytest.mark.slow
def test_a_client_that_does_not_read_costs_no_other_anything() -> None:
    registry, port = CollectorRegistry(), free_port()
    many = Counter("frames", "read", ["camera"], registry=registry)
    for number in range(3000):
        many.labels(f"camera-{number}").inc()
    with HealthServer(HealthSettings(port=port), registry), ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(connect(port))
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert get(port, "/livez") == (200, "ok\n")


def test_a_check_that_raises_is_an_answer_too() -> None:
    port = free_port()

    def broken() -> str:
        raise RuntimeError("no such device")

    with HealthServer(HealthSettings(port=port), ready=broken):
        assert get(port, "/readyz")[0] == 500
        assert get(port, "/livez")[0] == 200


@pytest.mark.parametrize("host", ["::", "::1", "[::]", "localhost", "0.0.0.0"])  # noqa: S104
def test_any_address_can_be_listened_on(host: str) -> None:
    port = free_port()
    with HealthServer(HealthSettings(port=port, host=host)):
        reached = [_answers(address, port) for address in ("::1", "127.0.0.1")]
    everywhere = host in {"::", "[::]"}
    assert all(reached) if everywhere else any(reached)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            return client.recv(4096).endswith(b"ok\n")
    except OSError:
        return False
