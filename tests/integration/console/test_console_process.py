"""A console process beside a broker, killed in the middle: each outcome has one row."""

import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.frame import Frame, encode_frame
from schemas.outcome import FrameRef, Outcome, RecordRef, Verdict, outcome_id
from tests.console.floor import NOW, png
from workers.console.history.writing import part_of
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.kafka.writing.producer import KafkaBusProducer
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings, TopicSettings

pytestmark = pytest.mark.integration

PATIENCE_S = 120.0


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


class Plant:
    """Topics, and a console beside them."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        self.kafka, self.folder, self.topics = kafka, folder, TopicSettings()
        create_topics(kafka, dict.fromkeys(self.topics.names(), 2))
        self.producer: KafkaBusProducer = connect_producer(kafka, "plant")
        self.sent: list[Outcome] = []

    def console(self) -> subprocess.Popen[bytes]:
        given = {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "console.database": f"sqlite:///{self.folder}/history.sqlite3",
            "console.port": 0,
            "console.access.read_without_login": True,
        }
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        self.log = self.folder / f"console-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "workers.cli", "console", *flags]
        return subprocess.Popen(command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)

    def send(self, count: int) -> None:
        for _ in range(count):
            number = len(self.sent)
            frame = Frame(
                frame_id=f"f-{number}",
                camera_id=f"line-{number % 3}",
                category="bolts",
                sequence=number,
                captured_at=NOW,
                content_type="image/png",
                data=png(number % 250),
            )
            message = Outgoing(self.topics.frames, encode_frame(frame), partition=0)
            outcome = Outcome(
                outcome_id=outcome_id(frame.source, frame.frame_id),
                frame=FrameRef(
                    frame_id=frame.frame_id,
                    camera_id=frame.camera_id,
                    category="bolts",
                    sequence=number,
                    captured_at=NOW,
                ),
                record=RecordRef(topic=self.topics.frames, partition=0, offset=number),
                worker_id="w",
                verdict=Verdict.PASS,
                image_score=0.5,
                image_threshold=1.0,
                model_version="m",
                calibration_id="c",
                decided_at=NOW,
            )
            self.sent.append(outcome)
            self.producer.publish([message, Outgoing(self.topics.outcomes, outcome.encode())])

    def rows(self) -> list[str]:
        file = self.folder / "history.sqlite3"
        if not file.exists():
            return []
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            try:
                return [part for (part,) in connection.execute("SELECT part FROM outcomes")]
            except sqlite3.OperationalError:  # not made yet
                return []

    def until(self, rows: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.rows()) < rows:
            if time.monotonic() > deadline:
                pytest.fail(f"{len(self.rows())} of {rows} rows\n{self.log.read_text()}")
            time.sleep(0.1)

    def page(self, path: str) -> tuple[int, bytes]:
        text = self.log.read_text()
        found = re.search(r"url=(http\S+)", text)
        assert found, text
        url = found[1]
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def test_a_console_that_is_killed_misses_and_doubles_nothing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    plant = Plant(kafka, tmp_path)
    plant.send(20)
    first = plant.console()
    try:
        plant.until(1)
        plant.send(30)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        plant.send(10)
        second = plant.console()
        try:
            plant.until(60)
            assert sorted(plant.rows()) == sorted(map(part_of, plant.sent))
            assert plant.page("/live")[0] == 200
            status, picture = plant.page(f"/pictures/frame/{part_of(plant.sent[37])}")
            assert (status, picture) == (200, png(37))
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
        finally:
            second.kill()
    finally:
        first.kill()
        plant.producer.close()
