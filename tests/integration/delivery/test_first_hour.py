"""docs/first-hour.md, command by command, as somebody with a folder of pictures would."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from stream_inspector.synthetic import render
from workers.cli import app

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "first-hour.md"
SIDE = 64
BAD, GOOD = 3, 8
ENVIRONMENT = {
    "TRAINER__THREADS": "1",
    "BUDGET__IMAGE_FALSE_REJECT": "0.4",
    "BUDGET__CONFIDENCE": "0.5",
    "KAFKA__SESSION_TIMEOUT_MS": "2000",
    "KAFKA__HEARTBEAT_INTERVAL_MS": "300",
    "NOTIFIER__PICTURE_WAIT_S": "120",
    "NOTIFIER__WATCH__SILENT_AFTER_S": "600",
}


def commands() -> list[str]:
    """The page's commands, in order."""
    blocks = PAGE.read_text().split("```")[1::2]
    return [line for block in blocks for line in block.strip().splitlines()]


def until(condition: Callable[[], object], what: str, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


class Newcomer:
    """Follows the page; what runs on runs in a process of its own."""

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self.folder, self._environment = folder, environment
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: str, *more: str) -> None:
        words = [*shlex.split(command)[1:], *more]
        with self.log(words[0]).open("wb") as log:
            self.running[words[0]] = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", *words],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )

    def run(self, command: str) -> str:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}\n{result.output}"
        return result.output

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def servers(self, command: str) -> None:
        """On free ports, so that the test may run beside others."""
        self.start(command, "--folder", "trial", "--kafka-port", "0", "--redis-port", "0")
        settings = self.folder / "trial/settings.env"
        until(settings.exists, "no servers")
        for line in settings.read_text().splitlines():
            self._environment.setenv(*line.split("=", 1))

    def stop(self) -> dict[str, int]:
        codes = {}
        for name in reversed(self.running):
            self.running[name].send_signal(signal.SIGTERM)
            codes[name] = self.running[name].wait(60)
        return codes

    def alarms(self) -> list[dict[str, str]]:
        file = self.folder / "alarms.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newcomer]:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"STREAM_INSPECTOR_{name}", value)
    photos(tmp_path / "photos")
    found = Newcomer(tmp_path, monkeypatch)
    yield found
    for process in found.running.values():
        process.kill()
        process.wait()


def photos(folder: Path) -> None:
    """Good parts in several file formats; bad ones with a hole of noise."""
    noise = np.random.default_rng(0)
    for kind in ("good", "bad"):
        (folder / kind).mkdir(parents=True)
    for number in range(GOOD):
        picture = Image.fromarray(render(number, 0, size=(SIDE, SIDE)).image)
        picture.save(folder / f"good/IMG_{number:04}.{('png', 'bmp', 'tiff')[number % 3]}")
    for number in range(BAD):
        image = render(100 + number, 0, size=(SIDE, SIDE)).image.copy()
        image[16:48, 16:48] = noise.integers(0, 256, (32, 32, 3))
        Image.fromarray(image).save(folder / f"bad/IMG_{number:04}.png")


def test_the_first_hour(newcomer: Newcomer) -> None:
    servers, train, inspect, push, worker, explainer, notifier, camera, _ = commands()
    newcomer.servers(servers)
    newcomer.run(train)
    told = newcomer.run(inspect)
    assert told.count("defect ") == BAD
    assert "photos/bad/IMG_0000.png" in told
    assert list((newcomer.folder / "look").rglob("*heatmap*.png"))
    newcomer.run(push)
    newcomer.start(worker)
    newcomer.start(explainer)
    newcomer.start(notifier)
    newcomer.run(camera)
    until(newcomer.alarms, newcomer.log("worker").read_text())
    (alarm, *_) = newcomer.alarms()
    assert (alarm["kind"], alarm["camera_id"]) == ("defect", "line-1")
    with Image.open(Path(unquote(urlsplit(alarm["evidence"]).path))) as picture:
        picture.load()
    assert len(list((newcomer.folder / "evidence").rglob("*.png"))) >= 3  # of the first defect
    assert newcomer.stop() == {"servers": 0, "worker": 0, "explainer": 0, "notifier": 0}


def test_the_page_is_short() -> None:
    assert len(commands()) < 10
    assert commands()[7].startswith("stream-inspector camera ")  # the alarm comes before long work
    assert all(command.startswith("stream-inspector ") for command in commands())
