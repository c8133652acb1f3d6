"""`docs/examples/python`: each committed defect is told once; a restart goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
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

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "python" / "subscriber.py"
PATIENCE_S = 60.0


@contextmanager
def subscriber(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    with (folder / "errors.log").open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE)],
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


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_it_tells_each_committed_defect_once_and_goes_on_where_it_was(
    apache_kafka: KafkaSettings, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}defects"
    create_topics(apache_kafka, {topic: 1})
    abort(apache_kafka, prefix, Outgoing(topic, event(1)))
    with closing(connect_writer(apache_kafka, "test", f"{prefix}writer")) as writer:
        records = [OUTCOME.encode(), event(2), event(2), event(3)]
        writer.settle([Outgoing(topic, record) for record in records], {}, None)
        settings = {"KAFKA": apache_kafka.bootstrap_servers, "TOPIC": topic, "GROUP": prefix}
        with subscriber(tmp_path, **settings) as process:
            told = [line(process), line(process)]
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        assert [each["sequence"] for each in told] == [2, 3]
        assert told[0]["boxes"] == [region.box.model_dump() for region in DEFECT.regions]
        assert "type io.stream-inspector.outcome.v1" in (tmp_path / "errors.log").read_text()
        writer.settle([Outgoing(topic, event(4))], {}, None)
        with subscriber(tmp_path, **settings) as process:
            assert line(process)["sequence"] == 4


def abort(kafka: KafkaSettings, prefix: str, message: Outgoing) -> None:
    """Write a record that a reader of uncommitted ones would see."""
    producer = KafkaProducer(**producer_options(kafka, "test"), transactional_id=f"{prefix}aborted")
    producer.init_transactions()
    producer.begin_transaction()
    write_all(producer, [message], 30.0)
    producer.abort_transaction()
    producer.close()
