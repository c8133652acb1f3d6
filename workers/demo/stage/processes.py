"""Our own processes as children: started with flags, logged to files, stopped with SIGTERM.

A guard stands between: should this process be killed, its children do not outlive it.
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers import guard
from workers.runtime.servers.process import free_ports

_HOST = "127.0.0.1"


class Child:
    """One of our processes, running."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        logs: Path,
        grace_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `stream-inspector ARGUMENTS`; its output goes to `<logs>/<name>.log`.

        `environment`: variables beside our own.
        """
        self.name, self.log, self._grace_s = name, logs / f"{name}.log", grace_s
        command = [sys.executable, "-m", "workers.cli", *arguments]
        guarded = [sys.executable, "-S", "-E", guard.__file__, "--grace", str(grace_s), *command]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own command)
                guarded,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop the others in order
            )

    @property
    def code(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with an error."""
        return self.code not in (None, 0)

    def ask_to_stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not end within its grace."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def stop(self) -> int:
        """Stop and wait. Returns the exit status."""
        self.ask_to_stop()
        try:
            return self._process.wait(self._grace_s + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._process.kill()
        self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as `--set key.path=value` arguments."""
    pairs = ((path, _yaml(value)) for path, value in settings.items() if value is not None)
    return [part for path, text in pairs for part in ("--set", f"{path}={text}")]


def free_port() -> int:
    """A TCP port that is free now."""
    return free_ports(1)[0]


def ready(port: int) -> bool:
    """Whether the process behind a health port says that it is ready."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until_ready(
    children: Mapping[int, Child], seconds: float, stop: StopSignal
) -> Child | None:
    """Wait for health ports. Returns a child that failed or was too slow; None when all are."""
    deadline = time.monotonic() + seconds
    waiting = dict(children)
    while waiting and not stop.is_set():
        waiting = {port: child for port, child in waiting.items() if not ready(port)}
        broken = next((child for child in waiting.values() if child.code is not None), None)
        if broken is not None:
            return broken
        if waiting and time.monotonic() > deadline:
            return next(iter(waiting.values()))
        stop.wait(0.1)
    return None


def _yaml(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else value
    return yaml.safe_dump(text, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
