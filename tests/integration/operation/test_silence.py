"""What processes open on their own: no connection, no name looked up, no file that nobody named.

Libraries that compute send events of their own when they load or open a session; `CI` would hide
that, so it is not set here.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import png
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

MODEL = Path(__file__).parents[3] / "configs" / "models" / "flange"
INSTALL = "apt-get install --no-install-recommends strace"
HIDES = {"CI", "GITHUB_ACTIONS", "TF_BUILD"}  # test benches, where libraries keep quiet
SET = {"ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "DO_NOT_TRACK"}
_CALL = re.compile(r"\b(connect|sendto|sendmsg|openat|mkdir|mkdirat|rename)\((.*)")
_CALLS = "trace=connect,sendto,sendmsg,openat,mkdir,mkdirat,rename"
_OPTIONS = ("-f", "--seccomp-bpf", "-qq", "-e", _CALLS, "-e", "signal=none", "-o")
_FILES = {"openat", "mkdir", "mkdirat", "rename"}
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)')
_PATH = re.compile(r'"([^"]*)"')


class Watched:
    """A command under strace, with a home of its own."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        strace = shutil.which("strace")
        if strace is None:
            pytest.fail(f"this test needs `strace`, which is not installed: {INSTALL}")
        self.home, self.trace = folder / "home", folder / "trace"
        for each in (self.home, folder / "tmp"):
            each.mkdir(parents=True)
        environment = {k: v for k, v in os.environ.items() if k not in HIDES | SET}
        environment |= {"HOME": str(self.home), "TMPDIR": str(folder / "tmp")}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.folder, self.log = folder, folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [strace, *_OPTIONS, str(self.trace), sys.executable, "-m", "workers.cli", *command],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it in order."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise

    def calls(self) -> Iterator[tuple[str, str]]:
        for line in self.trace.read_text(errors="replace").splitlines():
            found = _CALL.search(line)
            if found and "ENOENT" not in line:
                yield found[1], found[2]

    def strangers(self, ports: set[int]) -> list[str]:
        """Addresses that no setting names; 53 is a name that was looked up."""
        found = []
        for call, rest in self.calls():
            address = _ADDRESS.search(rest) if call != "openat" else None
            if address and (address[2] not in {"127.0.0.1", "::1"} or int(address[1]) not in ports):
                found.append(f"{call} {address[2]} {address[1]}")
        return found

    def written(self, *allowed: Path) -> list[str]:
        """Files and folders that were made or opened for writing elsewhere."""
        places = (*allowed, Path("/dev"), Path("/proc"), self.folder / "tmp")
        found = []
        for call, rest in self.calls():
            writes = call != "openat" or re.search(r"O_(WRONLY|RDWR|CREAT)", rest)
            path = _PATH.search(rest)
            failed = re.search(r"= -1 E", rest)
            inside = path and any(Path(path[1]).is_relative_to(place) for place in places)
            bytecode = path and "__pycache__" in path[1]
            outside = path and path[1].startswith("/") and not inside and not bytecode
            if call in _FILES and writes and outside and not failed:
                found.append(f"{call} {path[1]}")
        return found


def wait_for(watched: Watched, words: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while words not in watched.log.read_text(errors="replace"):
        assert watched.process.poll() is None, watched.log.read_text(errors="replace")
        assert time.monotonic() < deadline, watched.log.read_text(errors="replace")
        time.sleep(0.2)


def quiet(watched: Watched, ports: set[int], *allowed: Path) -> None:
    """What it left behind is what the settings say."""
    assert watched.strangers(ports) == []
    assert watched.written(*allowed) == []
    assert list(watched.home.iterdir()) == []


@pytest.mark.slow
def test_an_offline_command(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    command = ["inspect", str(tmp_path / "a.png"), "--model", str(MODEL)]
    watched = Watched(tmp_path / "watched", [*command, "--engine", "onnxruntime", "--no-explain"])
    try:
        assert watched.process.wait(150) == 0, watched.log.read_text()
    finally:
        watched.stop()
    quiet(watched, set())


@pytest.mark.slow
def test_a_worker_and_a_notifier(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        create_topics(kafka, {"frames": 1, "outcomes": 1, "defects": 1, "dead-letters": 1})
        models = (tmp_path / "models").as_uri()
        push = ["model", "push", str(MODEL), "--activate", "--store", models]
        push += ["--why", "test", "--set", f"redis.url={store.url}"]
        subprocess.run([sys.executable, "-m", "workers.cli", *push], check=True, timeout=120)
        common = ["--set", f"kafka.bootstrap_servers={broker.bootstrap_servers}"]
        worker = Watched(
            tmp_path / "worker",
            [
                *("worker", *common, "--set", f"redis.url={store.url}", "--category", "flange"),
                *("--store", models),
                *("--set", "models.engine=openvino"),
            ],
        )
        alarms = tmp_path / "notifier-folder"
        notifier = Watched(
            tmp_path / "notifier", ["notifier", *common, "--set", f"notifier.folder={alarms}"]
        )
        try:
            wait_for(worker, "model in use", 150)
            time.sleep(60)  # also what comes with the first round of a timer
        finally:
            worker.stop()
            notifier.stop()
    ports = {int(broker.bootstrap_servers.rsplit(":", 1)[1])}
    ports.add(int(store.url.rsplit(":", 1)[1].split("/")[0]))
    quiet(worker, ports)
    quiet(notifier, ports, alarms)
