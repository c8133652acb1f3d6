"""A real PostgreSQL, from Debian's package; nothing is skipped where it is missing."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

_PATIENCE_S = 60.0


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.fail("no PostgreSQL: apt-get install --no-install-recommends postgresql")
    return found[-1]


def _as_postgres() -> list[str]:
    """The server refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def postgresql(postgresql_server: str) -> str:
    """The URL of an empty database, a test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return f"{postgresql_server}/{name}"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a server."""
    programs, port = _programs(), _free_port()
    folder = Path(tempfile.mkdtemp(prefix="stream-inspector-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, user = str(folder / "data"), _as_postgres()
    initdb = [*user, str(programs / "initdb"), "-D", data, "-U", "console", "-A", "trust", "-N"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", str(folder)]
    server = subprocess.Popen(
        [*user, str(programs / "postgres"), "-D", data, "-p", str(port), *options],
        cwd=folder,
        stderr=(folder.parent / f"{folder.name}.log").open("wb"),
        start_new_session=True,
    )
    try:
        url = f"postgresql://console@127.0.0.1:{port}"
        _wait(url)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(_PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    """It listens before it answers."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            psycopg.connect(f"{url}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    pytest.fail("PostgreSQL does not answer")
