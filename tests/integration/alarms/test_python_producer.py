"""`docs/examples/python/producer.py`: frames from another client are frames like ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.documents.samples import PNG
from tests.integration.alarms.producers import check_frames, pictures
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "python" / "producer.py"


def test_its_frames_are_those_that_a_worker_reads(
    apache_kafka: KafkaSettings, prefix: str, tmp_path: Path
) -> None:
    topic, files = f"{prefix}frames", pictures(tmp_path)
    create_topics(apache_kafka, {topic: 4})
    settings = {"KAFKA": apache_kafka.bootstrap_servers, "TOPIC": topic}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *map(str, files)],
        env=os.environ | settings | {"CAMERA": "line-1", "CATEGORY": "bolts"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(files)} frames" in done.stdout
    check_frames(apache_kafka, topic, [PNG] * len(files))
