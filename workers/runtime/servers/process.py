"""A server as a child process: it logs to a file and does not outlive us."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import SystemRandom

from workers.runtime.errors import Fatal
from workers.runtime.servers import guard

HOST = "127.0.0.1"
_PORTS = range(15_000, 32_000)  # connections get theirs above: 32768 on Linux, else 49152


class ServerFailed(Fatal):
    """A server did not start; the message says why, or holds the end of its log."""


class ServerProcess:
    """One running server, under a guard (`guard.py`)."""

    def __init__(self, command: Sequence[str], log: Path, grace_s: float = 3.0) -> None:
        """Start it; it has `grace_s` between SIGTERM and SIGKILL when it is stopped."""
        self._log, self._grace_s = log, grace_s
        guarded = [sys.executable, "-S", "-E", guard.__file__, "--grace", str(grace_s), *command]
        with log.open("wb") as output:
            self._guard = subprocess.Popen(  # noqa: S603  (our own command)
                guarded,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, not the servers
            )

    @property
    def pid(self) -> int:
        """The guard's."""
        return self._guard.pid

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._guard.poll() is None

    def log_tail(self, lines: int = 20) -> str:
        """The end of what it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """The guard's signal to stop it."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def stop(self) -> None:
        """Stop it in order, or by force when it takes too long."""
        self.ask_to_stop()
        try:
            self._guard.wait(self._grace_s + 2)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL; takes the server along (`guard.py`)."""
        self._guard.kill()
        self._guard.wait()


def free_ports(count: int) -> list[int]:
    """TCP ports that are free now, and that the kernel gives to no connection meanwhile.

    Raises ServerFailed when there are not so many.
    """
    candidates = SystemRandom().sample(_PORTS, len(_PORTS))  # others look for some at the same time
    found = list(islice(filter(_is_free, candidates), count))
    if len(found) < count:
        raise ServerFailed(f"{HOST}: no {count} free ports from {_PORTS.start} to {_PORTS.stop}")
    return found


def require_free(port: int) -> None:
    """Raises ServerFailed when somebody uses the port."""
    if not _is_free(port):
        raise ServerFailed(
            f"{HOST}:{port} is in use: stop what listens there, or give another port (0: a free "
            "one) with --kafka-port or --redis-port"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # just left is free
        probe.bind((HOST, port))
        return True
    return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0
