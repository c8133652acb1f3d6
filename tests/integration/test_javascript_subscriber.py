"""`docs/examples/javascript`: a subscriber in another language reads the defects topic."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.envelope import WireMessage
from schemas.samples import DEFECT, OUTCOME
from workers.runtime.bus.kafka import create_topics
from workers.runtime.bus.kafka_delivery import connect_writer
from workers.runtime.bus.kafka_producer import producer_options, write_all
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings import KafkaSettings

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "javascript"
INSTALL = "apt-get install -y nodejs npm (Node 20 or newer)"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with what it needs; npm keeps the packages in its own cache."""
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json", "subscriber.js"):
        shutil.copy(EXAMPLE / name, folder)
    npm = _tool("npm")
    done = subprocess.run(
        [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
    return folder


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"this test needs `{name}`, which is not installed: {INSTALL}")
    return path


@contextmanager
def subscriber(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    with (folder / "errors.log").open("w") as errors:
        process = subprocess.Popen(
            [_tool("node"), "subscriber.js"],
            cwd=folder,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        killer = threading.Timer(PATIENCE_S, process.kill)  # a line that never comes ends as ""
        killer.start()
        try:
            yield process
        finally:
            killer.cancel()
            process.kill()
            process.wait()


def event(number: int) -> WireMessage:
    frame = DEFECT.frame.model_copy(update={"sequence": number})
    return DEFECT.model_copy(update={"outcome_id": f"{number:032x}", "frame": frame}).encode()


def test_it_tells_each_committed_defect_once(
    apache_kafka: KafkaSettings, prefix: str, example: Path
) -> None:
    topic = f"{prefix}defects"
    create_topics(apache_kafka, {topic: 1})
    _aborted(apache_kafka, prefix, Outgoing(topic, event(1)))
    headers = tuple(each for each in event(2).headers if each[0] != "ce_id")
    records = [
        replace(event(2), headers=headers),  # no CloudEvent
        OUTCOME.encode(),  # another type
        event(3),
        event(3),  # as a broker without transactions may bring it
        event(4),
    ]
    writer = connect_writer(apache_kafka, "test", f"{prefix}writer")
    writer.settle([Outgoing(topic, record) for record in records], {}, None)
    writer.close()

    settings = {
        "KAFKA": apache_kafka.bootstrap_servers,
        "TOPIC": topic,
        "GROUP": f"{prefix}javascript",
    }
    with subscriber(example, **settings) as process:
        lines: list[dict[str, Any]] = [json.loads(_line(process, example)) for _ in range(2)]
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""

    assert [line["sequence"] for line in lines] == [3, 4]
    region = DEFECT.regions[0].box
    assert lines[0] == {
        "id": f"{3:032x}",
        "time": DEFECT.decided_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "camera": DEFECT.frame.camera_id,
        "category": DEFECT.frame.category,
        "sequence": 3,
        "score": DEFECT.image_score,
        "threshold": DEFECT.image_threshold,
        "boxes": [region.model_dump()],
        "heatmap": DEFECT.evidence.heatmap,
    }
    errors = (example / "errors.log").read_text()
    assert f"{topic} 0 at " in errors
    assert "No CloudEvent detected" in errors
    assert "type io.stream-inspector.outcome.v1" in errors


def _aborted(kafka: KafkaSettings, prefix: str, message: Outgoing) -> None:
    """Write a record that a reader of uncommitted ones would see."""
    producer = KafkaProducer(**producer_options(kafka, "test"), transactional_id=f"{prefix}aborted")
    producer.init_transactions()
    producer.begin_transaction()
    write_all(producer, [message], 30.0)
    producer.abort_transaction()
    producer.close()


def _line(process: subprocess.Popen[str], folder: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (folder / "errors.log").read_text()
    return line
