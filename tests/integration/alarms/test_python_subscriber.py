"""`docs/examples/python`: each committed defect is told once; a restart goes on where it was."""

import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from schemas.documents.samples import DEFECT, OUTCOME
from tests.integration.alarms.subscribers import (
    PATIENCE_S,
    abort,
    check_pictures,
    event,
    pictures,
    subscriber,
)
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "python" / "subscriber.py"
COMMAND = [sys.executable, str(EXAMPLE)]


def test_it_tells_each_committed_defect_once_and_goes_on_where_it_was(
    apache_kafka: KafkaSettings, prefix: str, tmp_path: Path
) -> None:
    topic, explanations = f"{prefix}defects", f"{prefix}explanations"
    create_topics(apache_kafka, {topic: 1, explanations: 1})
    abort(apache_kafka, prefix, Outgoing(topic, event(1)))
    with closing(connect_writer(apache_kafka, "test", f"{prefix}writer")) as writer:
        records = [OUTCOME.encode(), event(2), event(2), event(2, 5), event(3)]
        writer.settle([Outgoing(topic, record) for record in records], {}, None)
        settings = {"KAFKA": apache_kafka.bootstrap_servers, "TOPIC": topic, "GROUP": prefix}
        settings["PICTURES"] = explanations
        with subscriber(COMMAND, tmp_path, **settings) as example:
            told = [example.line(), example.line(), example.line()]
            example.process.send_signal(signal.SIGTERM)
            assert example.process.wait(PATIENCE_S) == 0
        assert [each["sequence"] for each in told] == [2, 5, 3]  # an id may be used again
        assert told[0]["boxes"] == [region.box.model_dump() for region in DEFECT.regions]
        assert "type io.stream-inspector.outcome.v1" in example.errors()
        writer.settle([Outgoing(topic, event(4))], {}, None)
        with subscriber(COMMAND, tmp_path, **settings) as example:
            assert example.line()["sequence"] == 4
            writer.settle([Outgoing(explanations, pictures(4))] * 2, {}, None)
            check_pictures(example.line(), 4)
