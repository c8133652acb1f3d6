"""docs/new-product.md, command by command, on a real broker and a real Valkey."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.outcome import Outcome
from stream_inspector.image.pictures import encode_png
from stream_inspector.presets import PIXEL_SMALL, at_size
from stream_inspector.synthetic import render
from tests.integration.conftest import PATIENCE_S
from workers.cli import app
from workers.offline.train import run as training
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings.process import KafkaSettings
from workers.runtime.store.files import open_blobs

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "new-product.md"
SIDE = 64
CAMERA = """
camera:
  {ids: [line-2], rate: 0, frames: 55,
   synthetic: {first_index: %d, defect_share: 0, width: 64, height: 64}}
"""
SMALLER = {"--limit 300": "--limit 55", "--since 8h": "--since 10m"}
OF_WORKER = {
    "STREAM_INSPECTOR_MODELS__REFRESH_S": "30",  # so that a notice has to come through Redis
    "OMP_NUM_THREADS": "1",
}
ENVIRONMENT = {
    "MODELS__STORE": "models",
    "HEALTH__PORT": "0",
    "TRAINER__ITERATIONS": "2",
    "BUDGET__IMAGE_FALSE_REJECT": "0.4",
    "BUDGET__CONFIDENCE": "0.5",
    "COUNTERPART__ENABLED": "false",
    "KAFKA__SESSION_TIMEOUT_MS": "2000",
    "KAFKA__HEARTBEAT_INTERVAL_MS": "300",
}


def commands() -> list[str]:
    """The page's commands, in order."""
    blocks = PAGE.read_text().split("```")[1::2]
    lines = [line for block in blocks for line in block.strip().splitlines()]
    assert all(line.startswith("stream-inspector ") for line in lines)
    return lines


class Engineer:
    """Somebody who follows the page, in a folder of their own."""

    def __init__(self, folder: Path, kafka: KafkaSettings) -> None:
        self.folder, self.kafka = folder, kafka
        self.workers: list[subprocess.Popen[bytes]] = []
        self.left = commands()
        self.printed = ""

    def does(self, beginning: str, **placeholders: str) -> str:
        """Run the page's next command, which has to begin so."""
        command = self.left.pop(0).removeprefix("stream-inspector ")
        assert command.startswith(beginning), f"the page goes on with: {command}"
        for words, smaller in SMALLER.items():
            command = command.replace(words, smaller)
        for name, value in placeholders.items():
            command = command.replace(name, value)
        return self.run(command)

    def run(self, command: str) -> str:
        arguments = shlex.split(command)
        if arguments[0] == "worker":
            return self._start_worker(arguments)
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}\n{result.output}"
        return result.output

    def _start_worker(self, arguments: list[str]) -> str:
        """One that runs already is stopped in order first."""
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        command = [sys.executable, "-m", "workers.cli", *arguments]
        environment = os.environ | OF_WORKER | {"PYTHONPATH": str(ROOT)}
        self.workers = [subprocess.Popen(command, stdout=log, stderr=log, env=environment)]
        return ""

    def outcomes(self) -> list[Outcome]:
        records = read_topic(self.kafka, "outcomes")
        return [Outcome.decode(r.headers, r.value) for r in records]

    def until(self, condition: Callable[[], bool], seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail("\n".join(x.read_text() for x in self.folder.glob("worker-*.log")))
            time.sleep(0.5)

    def close(self) -> None:
        for process in self.workers:
            process.kill()
            process.wait()


@pytest.fixture
def engineer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engineer]:
    small = at_size(PIXEL_SMALL, (SIDE, SIDE))
    network = replace(small.pixel.network, channels=16, head_channels=16)
    tiny = replace(small, pixel=replace(small.pixel, network=network))
    monkeypatch.setattr(training, "find_preset", lambda _: tiny)
    monkeypatch.chdir(tmp_path)
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        addresses = {"KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers, "REDIS__URL": store.url}
        for name, value in (ENVIRONMENT | addresses).items():
            monkeypatch.setenv(f"STREAM_INSPECTOR_{name}", value)
        shutil.copytree(ROOT / "configs", tmp_path / "configs")
        for file in (tmp_path / "configs/categories").iterdir():
            file.unlink()
        (tmp_path / "configs/categories/bolts.yaml").write_text("name: bolts\n")
        (tmp_path / "line-2.yaml").write_text(CAMERA % 1000)
        found = Engineer(tmp_path, KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        yield found
        found.close()


def make_bolts(engineer: Engineer) -> None:
    """The product of yesterday: flanges as negatives, with a model and a worker."""
    folder = engineer.folder / "data/bolts/train/good"
    folder.mkdir(parents=True)
    for n in range(50):
        image = 255 - render(n, 0, size=(SIDE, SIDE)).image
        (folder / f"{n}.png").write_bytes(encode_png(image))
    engineer.run("train --data data/bolts")
    engineer.run("model push runs/bolts --activate")
    engineer.run("worker --config configs/worker.yaml")


def by_category(outcomes: list[Outcome]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for outcome in outcomes:
        assert outcome.frame is not None
        assert outcome.verdict is not None, outcome.rejected
        found.setdefault(outcome.frame.category, []).append(outcome)
    return found


def test_a_new_product_comes_to_the_line_and_goes(engineer: Engineer) -> None:
    make_bolts(engineer)
    engineer.does("camera")
    assert "nuts: 55 images taken, 55 in all" in engineer.does("collect --topic frames-setup")
    assert not engineer.outcomes()  # nobody inspected what was only collected
    engineer.does("train")
    pushed = engineer.does("model push")
    first = Registry(open_blobs("models")).active("nuts")
    assert first is not None
    assert first in pushed
    assert "first model of nuts" in engineer.does("model show")
    assert "ok: 2 versions" in engineer.does("model verify")

    (engineer.folder / "configs/categories/nuts.yaml").write_text("name: nuts\n")
    engineer.does("config check category")
    (engineer.folder / "line-2.yaml").write_text(CAMERA % 2000)  # other parts
    engineer.run("camera --config line-2.yaml --category bolts")  # in flight at the change-over
    engineer.does("worker")
    engineer.does("camera --config line-2.yaml --category nuts")
    engineer.until(lambda: len(engineer.outcomes()) >= 110)
    found = by_category(engineer.outcomes())
    assert {o.model_version for o in found["nuts"]} == {first}
    assert {o.model_version for o in found["bolts"]} == {
        Registry(open_blobs("models")).active("bolts")
    }
    assert len({o.outcome_id for each in found.values() for o in each}) == 110
    order = [o.frame.category for o in engineer.outcomes() if o.frame]
    assert order == ["bolts"] * 55 + ["nuts"] * 55  # one camera: once from one to the other
    assert not list(read_topic(engineer.kafka, "dead-letters"))

    engineer.does("collect --category nuts")
    good = engineer.folder / "more/nuts/train/good"
    for file in sorted((engineer.folder / "more/nuts").glob("apart/*/*")):
        shutil.move(file, good)  # the rendered parts are all good, as the engineer sees
    assert len(list(good.iterdir())) == 55
    engineer.does("calibrate")
    (new,) = re.findall(r"stored version (\w+)", engineer.does("model push"))
    assert "calibrations nuts" in engineer.does("model diff", NEW=new[:8])
    engineer.does("model activate", NEW=new[:8])
    followed(engineer, new)
    engineer.does("model rollback")
    followed(engineer, first)
    before = len(by_category(engineer.outcomes())["bolts"])
    engineer.does("camera --config line-2.yaml --category bolts")
    engineer.until(lambda: len(by_category(engineer.outcomes())["bolts"]) >= before + 55)
    assert engineer.left == []


def followed(engineer: Engineer, version: str) -> None:
    """Frames of the camera are judged by a version soon."""

    def judged_by_it() -> bool:
        engineer.run("camera --config line-2.yaml --category nuts --frames 1")
        time.sleep(0.5)
        nuts = by_category(engineer.outcomes())["nuts"]
        return bool(nuts[-1].model_version == version)

    engineer.until(judged_by_it, 25)  # models.refresh_s is 30
