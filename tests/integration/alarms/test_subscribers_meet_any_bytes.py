"""Both examples of subscribers beside mutated records: every defect comes through, both live."""

import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from schemas.documents import samples
from schemas.envelope import WireMessage
from tests.integration.alarms.subscribers import PATIENCE_S, event, subscriber
from tests.integration.alarms.test_javascript_subscriber import example
from tests.mutations import mutated
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.writing.producer import producer_options
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

__all__ = ["example"]  # a fixture
TOPIC, FEW = "defects", "defects-few"
MUTATED, FEWER, GOOD = 2_000, 1_000, 30
EXPECTED = [f"{number:032x}" for number in range(1, GOOD + 1)]
PYTHON = Path(__file__).parents[3] / "docs" / "examples" / "python" / "subscriber.py"


def feed(count: int, seed: int) -> list[WireMessage]:
    """Mutated records, and in places drawn from them good ones in their order."""
    draw = random.Random(seed)  # noqa: S311
    other = (samples.OUTCOME, samples.ALARM, samples.DEAD_LETTER)
    kinds = [event(0), event(0), *(each.encode() for each in other)]
    messages = list(mutated(kinds, count, seed))
    for number, place in enumerate(sorted(draw.sample(range(count), GOOD - 1))):
        messages.insert(place + number, event(number + 1))
    return [*messages, event(GOOD)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    """A broker with both feeds."""
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        create_topics(settings, {TOPIC: 1, FEW: 1})
        producer = KafkaProducer(**producer_options(settings, "test"))  # ours sends no null
        for topic, count in ((TOPIC, MUTATED), (FEW, FEWER)):
            for message in feed(count, seed=count):
                headers = [(name, data or b"") for name, data in message.headers]
                producer.send(topic, message.value, message.key or b"", headers)
            producer.flush(60)
        producer.close()
        yield settings


def heard(command: list[str], folder: Path, kafka: KafkaSettings, topic: str) -> list[str]:
    """The ids that a subscriber tells, until the last good one."""
    settings = {"KAFKA": kafka.bootstrap_servers, "TOPIC": topic, "GROUP": f"group-{topic}"}
    settings["PICTURES"] = ""
    found: list[str] = []
    with subscriber(command, folder, **settings) as running:
        while not found or found[-1] != f"{GOOD:032x}":
            found.append(running.line()["id"])
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_S) == 0
        errors = running.errors()
    assert "passed over" in errors
    assert all(line.isprintable() for line in errors.split("\n"))
    return [each for each in found if each in EXPECTED]


def test_the_subscriber_in_python(kafka: KafkaSettings, tmp_path: Path) -> None:
    found = heard([sys.executable, str(PYTHON)], tmp_path, kafka, TOPIC)
    assert found == EXPECTED


def test_the_subscriber_in_javascript(kafka: KafkaSettings, example: Path) -> None:
    node = shutil.which("node")
    assert node is not None
    found = heard([node, "subscriber.js"], example, kafka, FEW)
    assert found == EXPECTED
