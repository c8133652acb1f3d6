"""`docs/examples/javascript`: a subscriber in another language reads the defects topic."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.documents.samples import DEFECT, OUTCOME, PNG
from tests.integration.alarms.producers import check_frames, pictures
from tests.integration.alarms.subscribers import (
    PATIENCE_S,
    abort,
    check_pictures,
    event,
    subscriber,
)
from tests.integration.alarms.subscribers import (
    pictures as explained,
)
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "javascript"
INSTALL = "apt-get install -y nodejs npm (Node 20 or newer)"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with what it needs; npm keeps the packages in its own cache."""
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json", "subscriber.js", "producer.js"):
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


def test_it_tells_each_committed_defect_once(
    apache_kafka: KafkaSettings, prefix: str, example: Path
) -> None:
    topic, explanations = f"{prefix}defects", f"{prefix}explanations"
    create_topics(apache_kafka, {topic: 1, explanations: 1})
    abort(apache_kafka, prefix, Outgoing(topic, event(1)))
    headers = tuple(each for each in event(2).headers if each[0] != "ce_id")
    records = [
        replace(event(2), headers=headers),  # no CloudEvent
        OUTCOME.encode(),  # another type
        event(3),
        event(3),  # as a broker without transactions may bring it
        event(3, 5),  # another frame under its id
        event(4),
    ]
    writer = connect_writer(apache_kafka, "test", f"{prefix}writer")
    writer.settle([Outgoing(topic, record) for record in records], {}, None)

    settings = {
        "KAFKA": apache_kafka.bootstrap_servers,
        "TOPIC": topic,
        "PICTURES": explanations,
        "GROUP": f"{prefix}javascript",
    }
    with subscriber([_tool("node"), "subscriber.js"], example, **settings) as running:
        lines = [running.line(), running.line(), running.line()]
        writer.settle([Outgoing(explanations, explained(4))] * 2, {}, None)
        check_pictures(running.line(), 4)
        writer.close()
        running.process.terminate()
        assert running.process.wait(PATIENCE_S) == 0
        assert running.process.stdout is not None
        assert running.process.stdout.read() == ""

    assert [line["sequence"] for line in lines] == [3, 5, 4]
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
    }
    errors = running.errors()
    assert f"{topic} 0 at " in errors
    assert "No CloudEvent detected" in errors
    assert "type io.stream-inspector.outcome.v1" in errors


def test_its_frames_are_those_that_a_worker_reads(
    apache_kafka: KafkaSettings, prefix: str, example: Path, tmp_path: Path
) -> None:
    topic, files = f"{prefix}frames", pictures(tmp_path)
    create_topics(apache_kafka, {topic: 4})
    settings = {"KAFKA": apache_kafka.bootstrap_servers, "TOPIC": topic}
    done = subprocess.run(
        [_tool("node"), "producer.js", *map(str, files)],
        cwd=example,
        env=os.environ | settings | {"CAMERA": "line-1", "CATEGORY": "bolts"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(files)} frames" in done.stdout
    check_frames(apache_kafka, topic, [PNG] * len(files))
