"""The notifier as a real process whose webhooks hang, refuse, move and are slow; and SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from schemas.documents import samples
from schemas.message import Message
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration
EVENTS = ("outcomes", "defects", "dead-letters", "alarms")


class Hook:
    """A webhook that `answer` decides for: a status, after it took its time."""

    def __init__(self, answer: Callable[[str], int]) -> None:
        self.texts: list[str] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"]
                status = answer(text)
                if status == 200:
                    hook.texts.append(text)
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


def free_port() -> int:
    return free_ports(1)[0]


def start(
    kafka: KafkaSettings, folder: Path, port: int = 0, **delivery: object
) -> subprocess.Popen[bytes]:
    named = [f"--set=notifier.delivery.{k}={json.dumps(v)}" for k, v in delivery.items()]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "workers.cli", "notifier"),
            *("--folder", str(folder / "state"), "--file", str(folder / "alarms.jsonl")),
            *("--bootstrap-servers", kafka.bootstrap_servers),
            *("--set=notifier.delivery.console=false", "--set=notifier.rules.window_s=4"),
            *("--set=kafka.session_timeout_ms=2000", "--set=kafka.heartbeat_interval_ms=300"),
            *(f"--set=health.port={port}", "--set=notifier.picture_wait_s=0", *named),
        ]
    )


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def publish(kafka: KafkaSettings, topic: str, messages: list[Message]) -> None:
    connect_producer(kafka, "inspector").publish([Outgoing(topic, m.encode()) for m in messages])


def letter(number: int) -> Message:
    """A frame of a camera of its own that was not inspected."""
    record = samples.DEAD_LETTER.record.model_copy(update={"key": f"cam-{number}"})
    frame = samples.OUTCOME.frame
    assert frame is not None
    ref = frame.model_copy(update={"camera_id": f"cam-{number}", "frame_id": f"f{number}"})
    changes = {"outcome_id": f"{number:032x}", "frame": ref, "record": record}
    return samples.DEAD_LETTER.model_copy(update=changes)


def defect(number: int) -> Message:
    frame = samples.DEFECT.frame.model_copy(update={"camera_id": f"cam-{number}"})
    return samples.DEFECT.model_copy(update={"outcome_id": f"{number:032x}", "frame": frame})


def alarms(folder: Path) -> list[dict]:
    path = folder / "alarms.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_a_hanging_and_a_slow_webhook_cost_only_themselves(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Sixty cameras reject at once; the process lives, and the machine's channels have it all."""

    def slow(text: str) -> int:
        time.sleep(1.0)
        return 200

    def hang(text: str) -> int:
        time.sleep(300)
        return 200

    hung, people, port = Hook(hang), Hook(slow), free_port()
    create_topics(kafka, dict.fromkeys(EVENTS, 1))
    channels = {"hung": {"url": hung.url}, "people": {"url": people.url}}
    notifier = start(kafka, tmp_path, channels=channels, timeout_s=9, port=port)
    try:
        publish(kafka, "dead-letters", [letter(n) for n in range(60)])
        publish(kafka, "defects", [defect(999)])
        raised = time.monotonic()
        until(lambda: any("cam-999" in text for text in people.texts))
        until(lambda: len(alarms(tmp_path)) >= 61)
        until(lambda: sum("alarms (" in text for text in people.texts) >= 1)
        assert len(people.texts) < 20
        assert time.monotonic() - raised < 30
        until(lambda: metrics(port)['notifier_failed_deliveries_total{channel="hung"}'] > 0)
        told = metrics(port)
        assert told["notifier_ready"] == 1
        assert told["notifier_since_poll_seconds"] < 5
        assert told['notifier_undelivered_alarms{channel="hung"}'] >= 61
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            assert answer.status == 200
        notifier.send_signal(signal.SIGTERM)
        assert notifier.wait(30) == 0
    finally:
        notifier.kill()


def test_one_refused_alarm_is_set_aside_by_the_process(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    picky = Hook(lambda text: 400 if "cam-3" in text else 200)
    create_topics(kafka, dict.fromkeys(EVENTS, 1))
    notifier = start(kafka, tmp_path, channels={"picky": {"url": picky.url, "digest": False}})
    try:
        publish(kafka, "defects", [defect(number) for number in range(6)])
        until(lambda: len(picky.texts) >= 5)
        notifier.send_signal(signal.SIGTERM)
        assert notifier.wait(30) == 0
    finally:
        notifier.kill()
    refused = (tmp_path / "state" / "refused.jsonl").read_text().splitlines()
    assert [json.loads(line)["alarm"]["camera_id"] for line in refused] == ["cam-3"]
    listed = subprocess.run(
        [
            *(sys.executable, "-m", "workers.cli", "notifier", "--show-undelivered"),
            *("--folder", str(tmp_path / "state")),
        ],
        check=True,
        capture_output=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert b"refused" in listed.stdout
    assert b"HTTP 400" in listed.stdout


def test_kills_in_the_middle_of_deliveries_lose_nothing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """At least once to each channel, always with the same id."""

    def slow(text: str) -> int:
        time.sleep(0.1)
        return 200

    hook = Hook(slow)
    create_topics(kafka, dict.fromkeys(EVENTS, 1))
    channels = {"hook": {"url": hook.url, "digest": False}}
    publish(kafka, "defects", [defect(number) for number in range(40)])
    wanted = {f"cam-{number}" for number in range(40)}
    for heard in (5, 15, 25):
        notifier = start(kafka, tmp_path, channels=channels)
        until(lambda heard=heard: len(hook.texts) >= heard)  # type: ignore[misc]
        notifier.kill()
        notifier.wait()
    notifier = start(kafka, tmp_path, channels=channels)
    try:
        until(lambda: {_camera(text) for text in hook.texts} >= wanted)
        until(lambda: {alarm["camera_id"] for alarm in alarms(tmp_path)} >= wanted)
        notifier.send_signal(signal.SIGTERM)
        assert notifier.wait(30) == 0
    finally:
        notifier.kill()
    ids = {(_camera(text), text.rsplit("alarm ", 1)[1]) for text in hook.texts}
    assert len(ids) == 40
    assert len(hook.texts) <= 40 + 3 * 2  # what was under way when it was killed, once for each
    assert {alarm["alarm_id"] for alarm in alarms(tmp_path)} == {each for _, each in ids}


def _camera(text: str) -> str:
    return text.partition(":")[0]
