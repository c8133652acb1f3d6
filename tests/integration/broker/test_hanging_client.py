"""A client that hangs is noticed from outside its thread, in every process that has one."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workers.runtime.servers.process import free_ports
from workers.runtime.watchdog import STOPPING_S

pytestmark = pytest.mark.integration

DRIVER = Path(__file__).parent / "hanging_client.py"
HUNG_S = 4.0
SLACK_S = 8.0  # a loaded machine


class Command:
    """A command of the driver."""

    def __init__(self, stage: Any, folder: Path, *words: str, how: str, **settings: Any) -> None:
        self.trigger, self.log = folder / "hang", folder / "command.log"
        (self.port,) = free_ports(1)
        given = {f"topics.{key}": name for key, name in stage.topics.items()}
        given |= {
            "kafka.bootstrap_servers": stage.kafka.bootstrap_servers,
            "kafka.session_timeout_ms": stage.kafka.session_timeout_ms,
            "kafka.heartbeat_interval_ms": stage.kafka.heartbeat_interval_ms,
            "kafka.hung_after_s": HUNG_S,
            "kafka.delivery_timeout_ms": 2000,
            "kafka.request_timeout_ms": 1000,
            "log.format": "json",
        }
        given |= settings
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        environment = os.environ | {"HANG_WHEN": str(self.trigger), "HANG_HOW": how}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(DRIVER), *words, *flags],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,
            )

    def ready(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=2
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            alive = self.process.poll() is None
            assert alive and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def told(self) -> dict[str, Any]:
        lines = [line for line in self.log.read_text().splitlines() if "hangs" in line]
        assert len(lines) == 1, self.log.read_text()
        found: dict[str, Any] = json.loads(lines[0])
        return found


@pytest.fixture
def command(stage: Any, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    made: list[Command] = []

    def make(*words: str, how: str = "python", **settings: Any) -> Command:
        made.append(Command(stage, tmp_path, *words, how=how, **settings))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait()


def worker(command: Callable[..., Command], stage: Any, **options: Any) -> Command:
    (port,) = free_ports(1)
    null = {"models.null_detector_ms": 0, "categories.names": "[bolts]"}
    found = command(
        "worker", **null, **{"health.port": port, "redis.url": stage.redis_url}, **options
    )
    found.port = port
    found.until(lambda: found.ready()[0] == 200)
    return found


@pytest.mark.parametrize("how", ["python", "native"])
def test_a_worker_whose_client_hangs_ends_and_says_where(
    command: Callable[..., Command], stage: Any, how: str
) -> None:
    found = worker(command, stage, how=how)
    found.trigger.touch()
    began = time.monotonic()
    assert found.process.wait(HUNG_S + SLACK_S) == 75
    assert time.monotonic() - began > HUNG_S - 1
    told = found.told()
    assert (told["thread"], told["level"]) == ("MainThread", "critical")
    assert "hanging_client.py" in told["stack"]
    assert "in hang" in told["stack"]


def test_a_worker_that_hangs_is_not_ready(command: Callable[..., Command], stage: Any) -> None:
    found = worker(command, stage, **{"kafka.hung_after_s": 60})
    found.trigger.touch()
    found.until(lambda: found.ready()[0] == 503, 25)
    assert "no poll for" in found.ready()[1]


@pytest.mark.parametrize("how", ["python", "native"])
def test_a_signal_is_heeded_while_the_client_hangs(
    command: Callable[..., Command], stage: Any, how: str
) -> None:
    found = worker(command, stage, how=how, **{"kafka.hung_after_s": 300})
    found.trigger.touch()
    time.sleep(2)
    found.process.send_signal(signal.SIGTERM)
    assert found.process.wait(STOPPING_S + SLACK_S) == 75


def test_a_notifier_whose_client_hangs_ends(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    found = command("notifier", **{"health.port": port, "notifier.folder": tmp_path / "n"})
    found.port = port
    found.until(lambda: found.ready()[0] == 200)
    found.trigger.touch()
    assert found.process.wait(HUNG_S + SLACK_S) == 75
    assert found.told()["thread"] == "MainThread"


def test_a_notifier_that_cannot_hear_announcements_any_more_ends(
    command: Callable[..., Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANG_THREAD", "topics.camera_states")
    (port,) = free_ports(1)
    found = command("notifier", **{"health.port": port, "notifier.folder": tmp_path / "n"})
    found.port = port
    found.until(lambda: found.ready()[0] == 200)
    found.trigger.touch()
    assert found.process.wait(HUNG_S + SLACK_S) == 75
    assert found.told()["thread"] == "topics.camera_states"


def test_a_camera_whose_client_hangs_ends(command: Callable[..., Command]) -> None:
    found = command("camera", **{"camera.rate": 20, "camera.frames": 0, "camera.progress_s": 0.5})
    found.until(lambda: '"sent": 1' in found.log.read_text())
    found.trigger.touch()
    within = HUNG_S + 2 * 2.0 + 1.0  # all timeouts of a publication
    assert found.process.wait(within + SLACK_S) == 75
    assert found.told()["thread"] == "camera-sender"


def test_a_collector_and_the_dead_letters_desk_end_too(
    command: Callable[..., Command], tmp_path: Path, stage: Any
) -> None:
    stage.send(1)
    for words in (("collect", "--out", "data"), ("dlq", "list")):
        found = command(*words)
        found.trigger.touch()
        assert found.process.wait(30 + HUNG_S + SLACK_S) == 75, words
        assert "KafkaReader" in found.told()["stack"] or "reader.py" in found.told()["stack"]
