"""One Apache Kafka for all processes of a test run: it lives as long as one of them uses it."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.runtime.servers.apache_kafka import ApacheKafka

_READY_S = 120.0


@contextmanager
def shared_kafka(folder: Path) -> Iterator[str]:
    """The bootstrap servers of the run's broker, which the first to ask starts.

    Every process that uses it holds a shared lock, which the kernel takes back when it dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users, (folder / "lock").open("w") as lock:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for one that is being stopped
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "servers").exists():
            _start(folder)
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield (folder / "servers").read_text()


def _start(folder: Path) -> None:
    log = folder / "log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.shared_kafka", str(folder)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C ends the tests, and their end ends it
        )
    deadline = time.monotonic() + _READY_S
    while not (folder / "servers").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Apache Kafka did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def _keep(folder: Path) -> None:
    """Serve until nobody holds the lock."""
    servers = folder / "servers"
    with (folder / "users").open("w") as users, ApacheKafka() as kafka:
        written = folder / "servers.new"
        written.write_text(kafka.bootstrap_servers)
        written.rename(servers)
        fcntl.flock(users, fcntl.LOCK_EX)
        servers.unlink(missing_ok=True)  # the folder goes with the run


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
