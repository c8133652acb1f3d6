"""What the chart and compose.yaml start in each image, ended at once: nobody answers at port 1."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"
CONFIGS = ROOT / "configs"
PATIENCE = ["--set", "kafka.connect_timeout_s=0.2"]
KAFKA = [*PATIENCE, "--bootstrap-servers", NOBODY]
CHANNELS = [
    *("--camera", "line-1", "--set", "gate.modbus.host=127.0.0.1", "--set", "gate.mqtt.host=h"),
    *("--set", "gate.opcua_server.endpoint=opc.tcp://127.0.0.1:4840"),
]
EntryPoint = tuple[list[str], int]  # command line, exit code when all that it imports is there
UNREACHABLE = 69  # docs/processes.md

LIGHT: list[EntryPoint] = [
    (["camera", "--frames", "1", *KAFKA], UNREACHABLE),
    (["notifier", *KAFKA], UNREACHABLE),
    (["topics", "create", *KAFKA], UNREACHABLE),
    (["dlq", "list", *KAFKA], UNREACHABLE),
    (["evidence", "gc", "--apply", "--url", "evidence"], 0),
    (["config", "check", "camera", "--config", str(CONFIGS / "camera.yaml")], 0),
    (["gate", *CHANNELS, *KAFKA], UNREACHABLE),
    (["console", "--set", "console.database=sqlite:///x.db", *KAFKA], UNREACHABLE),
    (["config", "check", "gate", "--config", str(CONFIGS / "gate.yaml")], 0),
    (["config", "check", "notifier", "--config", str(CONFIGS / "notifier.yaml")], 0),
]
CTI = ["--set", "camera.device.cti=[nowhere.cti]"]
CAMERA: list[EntryPoint] = [
    (["camera", "--frames", "1", *KAFKA], UNREACHABLE),
    (["camera", "--source", "genicam:", *CTI, "--preview", "x.png"], 78),  # no such producer
    (["camera", "--source", "rtsp://127.0.0.1:1/x", "--preview", "x.png"], UNREACHABLE),
    (["camera", "--list"], 0),
]
CATEGORIES = ["--set", f"categories.folder={ROOT / 'configs' / 'categories'}"]
REDIS = ["--set", "redis.url=redis://127.0.0.1:1/0", "--set", "redis.connect_timeout_s=0.2"]
WORKER: EntryPoint = (["worker", "--category", "flange", *REDIS, *KAFKA], UNREACHABLE)
HEAVY: list[EntryPoint] = [
    (["config", "check", "worker", "--config", str(CONFIGS / "worker.yaml"), *CATEGORIES], 0),
    WORKER,
    (["explainer", *REDIS, *KAFKA], UNREACHABLE),
    (["doctor", "--quick", *REDIS, *PATIENCE, "--set", f"kafka.bootstrap_servers={NOBODY}"], 1),
    (["train", "--help"], 0),
    (["model", "push", str(CONFIGS / "models" / "flange"), "--store", "store"], 0),
]
# Training alone needs PyTorch: tests/test_architecture.py.
PROCESSOR = [each for each in HEAVY if each[0][0] != "train"]
ENTRY_POINTS = {
    "light": LIGHT,
    "camera": CAMERA,
    "processor": PROCESSOR,
    "cpu": HEAVY,
    "cuda": HEAVY,
}


def wrong(cases: Sequence[EntryPoint], program: list[str], folder: Path) -> list[str]:
    """Run entry points in `folder`; what did not end as it should."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_INSPECTOR_")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)}
    found = []
    for arguments, code in cases:
        done = subprocess.run(
            [*program, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode != code:
            said = (done.stderr or done.stdout)[-400:]
            found.append(f"{' '.join(arguments)}: exit {done.returncode}, not {code}: {said}")
    return found
