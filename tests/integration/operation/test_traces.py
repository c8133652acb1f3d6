"""Camera, worker and notifier as real processes tell one trace to a real OTLP receiver."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import PATIENCE_S, png
from otlp_collector import Collector

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_three_processes_make_one_trace(stage: Any, tmp_path: Path) -> None:
    pictures, alarms = tmp_path / "pictures", tmp_path / "alarms.jsonl"
    pictures.mkdir()
    (pictures / "1.png").write_bytes(png())
    (pictures / "2.png").write_bytes(png()[:60])  # no alarm without a part that is not inspected
    with Collector() as collector:
        traced = {"tracing.endpoint": collector.endpoint, "tracing.sample_share": 1}
        worker = stage.worker(**{"models.null_detector_ms": 5}, **traced)
        notifier = start(stage, traced, "notifier", "--file", str(alarms))
        camera = start(stage, traced, "camera", "--source", str(pictures), "--category", "bolts")
        assert camera.wait(PATIENCE_S) == 0
        stage.until(lambda: len(stage.outcomes) == 2)
        stage.until(lambda: alarms.exists() and alarms.stat().st_size > 0)
        for process in (worker, notifier):
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    good, bad = sorted(stage.outcomes, key=lambda outcome: outcome.frame.sequence)
    names = {"camera", "broker", "inspect", "publish"}
    inspected = collector.trace(good.frame.frame_id.replace("-", ""))
    assert set(inspected) == names | {"decode", "batch wait", "infer"}
    rejected = collector.trace(bad.frame.frame_id.replace("-", ""))
    assert set(rejected) == names | {"alarm"}
    assert rejected["inspect"].error == "damaged"
    assert rejected["alarm"].parent == rejected["inspect"].id
    assert len({span.service for span in rejected.values()}) == 3


def start(stage: Any, traced: dict[str, Any], *arguments: str) -> subprocess.Popen[bytes]:
    given = {
        "kafka.bootstrap_servers": stage.kafka.bootstrap_servers,
        "kafka.session_timeout_ms": stage.kafka.session_timeout_ms,
        "kafka.heartbeat_interval_ms": stage.kafka.heartbeat_interval_ms,
        **traced,
    }
    if arguments[0] == "notifier":
        one_channel = {"notifier.delivery.topic": "false", "notifier.delivery.console": "false"}
        given |= {"notifier.folder": stage.folder / "notifier", **one_channel}
    flags = [f"--set={key}={value}" for key, value in given.items()]
    log = (stage.folder / f"{arguments[0]}.log").open("wb")
    command = [sys.executable, "-m", "workers.cli", *arguments, *flags]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stage.processes.append(process)
    return process
