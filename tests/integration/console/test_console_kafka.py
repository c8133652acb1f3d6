"""A console on Apache Kafka: killed, hung, without its history; each message has one row."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from schemas.camera_state import CameraCondition, CameraState
from schemas.defect import CounterpartCheck, Evidence
from schemas.envelope import WireMessage
from schemas.explanation import Explanation, ExplanationState
from schemas.outcome import Outcome, Verdict
from schemas.resolution import Action, Resolution
from schemas.review import Judgement, Review
from tests.console.floor import NOW, PASSWORD, Floor, png, users
from workers.console.history.writing import part_of
from workers.runtime.bus.kafka.connect import connect_admin, connect_producer, create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.settings.process import KafkaSettings, TopicSettings

pytestmark = pytest.mark.integration

PATIENCE_S = 120.0
AT_FIRST, LATER, MEANWHILE = 700, 100, 50  # parts; a batch of the console is 500
NAMES = ("outcomes", "defects", "explanations", "dead_letters", "resolutions", "alarms", "pauses")


class Plant:
    """A stage that writes as workers do, each batch a transaction, and a console beside it."""

    def __init__(self, kafka: KafkaSettings, prefix: str, folder: Path) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder
        usual = TopicSettings()
        named = {key: f"{prefix}{getattr(usual, key)}" for key in TopicSettings.model_fields}
        self.topics = TopicSettings.model_validate(
            {key: name for key, name in named.items() if key not in ("partitions", "create")}
        )
        create_topics(kafka, dict.fromkeys(self.topics.names(), 2))
        self.floor = Floor(folder)
        for name in self.topics.names():
            self.floor.broker.create_topic(name, 1)  # in order
        self.floor.settings = self.floor.settings.model_copy(update={"topics": self.topics})
        self.camera = connect_producer(kafka, "camera")
        self.worker = connect_writer(kafka, "worker", f"{prefix}worker")
        self.copied: dict[str, int] = {}
        self.parts: list[Outcome] = []
        self.consoles: list[subprocess.Popen[bytes]] = []

    def make(self, count: int) -> None:
        """Parts, and all that is said of them."""
        for number in range(len(self.parts), len(self.parts) + count):
            self.parts.append(self._part(number))
        self.floor.alarm(f"line-{len(self.parts)}")
        self._announce()
        for topic in self.topics.names():
            self._copy(topic)

    def _part(self, number: int) -> Outcome:
        camera = f"line-{number % 3}"
        if number % 50 == 49:
            outcome = self.floor.reject(camera, number)
            self.floor.publish(self.topics.resolutions, _resolution(outcome))
        elif number % 10 == 9:
            outcome = self.floor.part(camera, number, Verdict.DEFECT)
            self.floor.publish(self.topics.explanations, _explanation(outcome))
        else:
            outcome = self.floor.part(camera, number)
        return outcome

    def _announce(self) -> None:
        state = CameraState(
            state_id=f"{len(self.parts):032x}",
            camera=f"line-{len(self.parts)}",
            state=CameraCondition.STOPPED,
            by="olga",
            announced_at=NOW,
        )
        self.floor.publish(self.topics.camera_states, state)

    def _copy(self, topic: str) -> None:
        """What is new goes to Kafka: frames as cameras send them, the rest in transactions."""
        records = self.floor.broker.records(topic)[self.copied.get(topic, 0) :]
        self.copied[topic] = self.copied.get(topic, 0) + len(records)
        frames = topic == self.topics.frames
        messages = [Outgoing(topic, _wire(record), 0 if frames else None) for record in records]
        if frames:
            self.camera.publish(messages)
        elif messages:
            self.worker.settle(messages, {}, None)

    def console(self) -> str:
        """Start one; its address."""
        named = {f"topics.{key}": getattr(self.topics, key) for key in TopicSettings.model_fields}
        given = named | {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "console.database": f"sqlite:///{self.folder}/console.sqlite3",
            "console.port": 0,
            "evidence.url": self.folder / "evidence",
        }
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        log = self.folder / f"console-{len(self.consoles)}.log"
        hashes = {n: u.password_hash.get_secret_value() for n, u in users().items()}
        people = {n: {"role": u.role, "password_hash": hashes[n]} for n, u in users().items()}
        environment = {"STREAM_INSPECTOR_CONSOLE__ACCESS__USERS": json.dumps(people)}
        command = [sys.executable, "-m", "workers.cli", "console", *flags]
        with log.open("wb") as file:
            self.consoles.append(
                subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | environment)
            )
        until(lambda: re.search(r"url=http\S+", log.read_text()), log.read_text)
        found = re.search(r"url=(http\S+)", log.read_text())
        assert found
        return found[1]

    def kill(self) -> None:
        """The console that runs, at once."""
        self.consoles[-1].kill()
        self.consoles[-1].wait(30)

    def rows(self, table: str) -> int:
        """In the history, as far as it is there."""
        file = self.folder / "console.sqlite3"
        if not file.exists():
            return 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            try:
                (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            except sqlite3.OperationalError:  # not made yet
                return 0
        return int(found)

    @property
    def expected(self) -> dict[str, int]:
        """A row a message, in every table."""
        names = {"pauses": "camera_states"}
        topics = {name: getattr(self.topics, names.get(name, name)) for name in NAMES}
        return {name: len(self.floor.broker.records(topic)) for name, topic in topics.items()}

    def read(self) -> None:
        """Wait until the history has everything, and not more."""
        until(lambda: self.rows("outcomes") >= len(self.parts), self._log)
        until(lambda: self.held == self.expected, lambda: f"{self.held} {self.expected}")

    @property
    def held(self) -> dict[str, int]:
        return {name: self.rows(name) for name in NAMES}

    def _log(self) -> str:
        return (self.folder / f"console-{len(self.consoles) - 1}.log").read_text()

    def close(self) -> None:
        for console in self.consoles:
            console.kill()
            console.wait(30)
        self.camera.close()
        self.worker.close()
        self.floor.database.close()


def _wire(record: Record) -> WireMessage:
    return WireMessage(record.key, record.value or b"", record.headers)


def _resolution(outcome: Outcome) -> Resolution:
    return Resolution(
        outcome_id=outcome.outcome_id,
        action=Action.DISCARDED,
        original=outcome.record,
        by="olga",
        why="scrap",
        resolved_at=NOW,
    )


def _explanation(outcome: Outcome) -> Explanation:
    return Explanation(
        outcome_id=outcome.outcome_id,
        frame=outcome.frame,
        record=outcome.record,
        worker_id="w",
        verdict="defect",
        state=ExplanationState.SKIPPED,
        reason="late",
        model_version="abc",
        evidence=Evidence(),
        counterpart=CounterpartCheck(status="skipped"),
        verdict_record="defects/0/0",
        took_ms=1.0,
        explainer_id="e",
        explained_at=NOW,
    )


def until(true: Callable[[], Any], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


@pytest.fixture
def plant(apache_kafka: KafkaSettings, prefix: str, tmp_path: Path) -> Iterator[Plant]:
    made = Plant(apache_kafka, prefix, tmp_path)
    yield made
    made.close()


def judge(url: str, judgement: str) -> str:
    """Log in, and judge the part that is shown; its key."""
    with httpx2.Client(base_url=url, follow_redirects=True, timeout=60) as client:
        client.post("/login", data={"name": "olga", "password": PASSWORD})
        page = client.get("/review/defects").text
        token, part = (
            page.partition(f'name="{name}" value="')[2].partition('"')[0]
            for name in ("token", "part")
        )
        form = {"token": token, "part": part, "judgement": judgement}
        assert client.post("/review/defects", data=form).status_code == 200
        return part


def picture(url: str, part: str) -> bytes:
    with httpx2.Client(base_url=url, timeout=60) as client:
        client.post("/login", data={"name": "vera", "password": PASSWORD})
        return client.get(f"/pictures/frame/{part}").content


def reviews(plant: Plant) -> list[Review]:
    records = read_topic(plant.kafka, plant.topics.reviews)
    return [Review.decode(each.headers, each.value) for each in records]


def test_each_message_has_one_row_and_each_word_is_on_the_topic(plant: Plant) -> None:
    plant.make(AT_FIRST)
    plant.console()
    until(lambda: plant.rows("outcomes"), plant._log)
    plant.kill()  # in the middle of its reading
    plant.make(LATER)
    url = plant.console()
    plant.read()
    assert picture(url, part_of(plant.parts[37])) == png(40 + 37)
    part = judge(url, "false-alarm")
    (word,) = reviews(plant)
    assert (part_of(word), word.by, word.judgement) == (part, "olga", Judgement.FALSE_ALARM)

    plant.consoles[-1].send_signal(signal.SIGSTOP)  # it hangs: the stage goes on
    plant.make(MEANWHILE)
    plant.consoles[-1].send_signal(signal.SIGCONT)
    plant.read()
    plant.kill()

    for file in plant.folder.glob("console.sqlite3*"):
        file.unlink()
    url = plant.console()
    plant.read()
    until(lambda: plant.rows("words") == 1, plant._log)  # from the topic
    assert judge(url, "right") != part  # which is not asked about again
    plant.consoles[-1].terminate()
    assert plant.consoles[-1].wait(60) == 0
    assert not [name for name in groups(plant) if "console" in name]  # the broker keeps nothing


def groups(plant: Plant) -> list[str]:
    with closing(connect_admin(plant.kafka)) as admin:
        return [str(each) for each in admin.list_groups()]
