"""A real Prometheus scrapes a real worker; the shipped alerts fire and resolve on what it tells."""

import json
import re
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.runtime.servers.process import HOST, ServerProcess, free_ports
from workers.runtime.telemetry.metrics.generate import entries

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RULES = Path(__file__).parents[3] / "helm" / "stream-inspector" / "files"


class Prometheus:
    """A server that scrapes a port twice a second, on the shipped rules made impatient."""

    def __init__(self, folder: Path, target: int) -> None:
        program = shutil.which("prometheus")
        assert program, "apt-get install -y --no-install-recommends prometheus"
        (self.port,) = free_ports(1)
        for name in ("recording-rules.yaml", "alerts.yaml"):
            (folder / name).write_text(impatient((RULES / name).read_text()))
        jobs = [{"job_name": "worker", "static_configs": [{"targets": [f"{HOST}:{target}"]}]}]
        every = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        config = folder / "prometheus.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "global": every,
                    "rule_files": ["recording-rules.yaml", "alerts.yaml"],
                    "scrape_configs": jobs,
                }
            )
        )
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--log.level=warn",
        ]
        self.process = ServerProcess(command, folder / "prometheus.log")

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def ask(self, path: str, **query: str) -> Any:
        """An answer of its HTTP API."""
        url = f"http://{HOST}:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self.ask("alerts")["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}


def impatient(rules: str) -> str:
    """Minutes become seconds, so that a test can wait for them."""
    return re.sub(r"for: \d+m", "for: 1s", re.sub(r"\[\d+m\]", "[8s]", rules))


@pytest.fixture
def watched(stage: Any, tmp_path: Path) -> Iterator[tuple[Prometheus, int]]:
    """Prometheus, and the port on which it expects a worker."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (port,) = free_ports(1)
    server = Prometheus(folder, port)
    stage.until(server.ready)
    yield server, port
    server.process.stop()


def test_alerts_follow_a_real_worker(stage: Any, watched: tuple[Prometheus, int]) -> None:
    prometheus, port = watched
    stage.until(lambda: "StreamInspectorNoWorkerReady" in prometheus.firing())
    stage.worker(**{"models.null_detector_ms": 5, "health.port": port})
    stage.until(lambda: "StreamInspectorNoWorkerReady" not in prometheus.firing())

    stage.send(20)
    stage.until(lambda: not stage.lost())
    time.sleep(2)  # several scrapes and evaluations
    assert prometheus.firing() <= {"StreamInspectorNotifierNotReady"}  # there is none

    stage.send(5, data=b"no image")
    stage.until(lambda: "StreamInspectorFramesNotInspected" in prometheus.firing())
    [alert] = [
        a
        for a in prometheus.ask("alerts")["alerts"]
        if a["labels"]["alertname"] == "StreamInspectorFramesNotInspected"
    ]
    assert alert["labels"]["reason"] == "undecodable"
    stage.until(lambda: "StreamInspectorFramesNotInspected" not in prometheus.firing())

    assert_all_is_in_the_table(prometheus)


def assert_all_is_in_the_table(prometheus: Prometheus) -> None:
    """What Prometheus has read is what the table says, and nothing else."""
    table = entries()
    known = {e.name for e in (*table["worker"], *table["every process"])}
    read = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in prometheus.ask("label/__name__/values")
        if re.match(r"(inspector|process)_", name)
    }
    not_of_a_null_detector = {"inspector_device_memory_bytes", "inspector_model_memory_bytes"}
    never_happened = {
        "inspector_drifted_cameras",
        "inspector_explanations_total",
        "inspector_model_missing",
        "inspector_model_refused",
    }
    assert read <= known
    assert known - read <= not_of_a_null_detector | never_happened
    [total] = prometheus.ask("query", query="sum(inspector_outcomes_total)")["result"]
    assert total["value"][1] == "20"
