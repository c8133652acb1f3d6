"""A gate process between Kafka and a PLC, killed in the middle: it answers no part wrongly."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.frame import Frame, encode_frame
from schemas.outcome import Verdict
from tests.workers.gate.parts import frame, outcome
from tests.workers.gate.plants import Plc, until
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.kafka.writing.producer import KafkaBusProducer
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

PATIENCE_S = 120.0
PASS, REJECT, NOT_INSPECTED = 1, 2, 3


class Line:
    """A broker's topics, a PLC, and a gate between them."""

    def __init__(self, kafka: KafkaSettings, folder: Path, prefix: str, plc: Plc) -> None:
        self.kafka, self.folder, self.plc = kafka, folder, plc
        self.frames, self.outcomes = f"{prefix}frames", f"{prefix}outcomes"
        create_topics(kafka, {self.frames: 2, self.outcomes: 2})
        self.producer: KafkaBusProducer = connect_producer(kafka, "line")
        self.gates: list[subprocess.Popen[bytes]] = []

    def gate(self, deadline_s: float = 60.0) -> subprocess.Popen[bytes]:
        """Start it, and wait until it hears and is heard."""
        given = {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "topics.frames": self.frames,
            "topics.outcomes": self.outcomes,
            "gate.cameras": "[line-1]",
            "gate.deadline_s": deadline_s,
            "gate.folder": self.folder / "gate",
            "gate.heartbeat_s": 0.1,
            "gate.modbus.host": "127.0.0.1",
            "gate.modbus.port": self.plc.port,
            "gate.modbus.slots": 200,
        }
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        log = (self.folder / f"gate-{len(self.gates)}.log").open("wb")
        command = [sys.executable, "-m", "workers.cli", "gate", *flags]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self.gates.append(process)
        self.plc.writes = [each for each in self.plc.writes if each[0] >= 8]
        until(lambda: (0, 1) in {(at, values[-1]) for at, values in self.plc.writes}, PATIENCE_S)
        return process

    def send(self, *frames: Frame) -> None:
        for each in frames:
            self.producer.publish([Outgoing(self.frames, encode_frame(each))])

    def judge(self, *frames: Frame, verdict: Verdict = Verdict.PASS) -> None:
        for each in frames:
            self.producer.publish([Outgoing(self.outcomes, outcome(each, verdict).encode())])

    def answers(self) -> list[tuple[int, int]]:
        """Part and decision, as the PLC was told."""
        return [(values[3], values[0]) for values in list(self.plc.answers(slots=200))]

    def close(self) -> None:
        for gate in self.gates:
            if gate.poll() is None:
                gate.kill()
            gate.wait()
        self.producer.close()


@pytest.fixture(params=["embedded", "apache"])
def line(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> Iterator[Line]:
    with Plc() as plc:
        if request.param == "apache":
            found = Line(request.getfixturevalue("apache_kafka"), tmp_path, prefix, plc)
            yield found
            found.close()
            return
        with EmbeddedBroker() as broker:
            kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
            found = Line(kafka, tmp_path, prefix, plc)
            yield found
            found.close()


def test_a_gate_that_is_killed_answers_no_part_wrongly(line: Line) -> None:
    parts = [frame(number) for number in range(40)]
    defects = set(range(0, 40, 7))
    expected = {n: REJECT if n in defects else PASS for n in range(40)}

    def judge(numbers: range) -> None:
        for number in numbers:
            bad = number in defects
            line.judge(parts[number], verdict=Verdict.DEFECT if bad else Verdict.PASS)

    gate = line.gate()
    line.send(*parts[:25])
    judge(range(15))
    until(lambda: len(line.answers()) >= 10, PATIENCE_S)
    os.kill(gate.pid, signal.SIGKILL)  # in the middle: some answered, some judged, some neither
    gate.wait()
    judge(range(15, 30))
    line.send(*parts[25:])
    line.gate()
    judge(range(30, 40))
    until(lambda: {n for n, _ in line.answers()} == set(range(40)), PATIENCE_S)
    told = line.answers()
    assert dict(told) == expected
    assert set(told) == set(expected.items())  # whatever was said twice was said the same
    newest = [n for place, (n, _) in enumerate(told) if n not in {m for m, _ in told[:place]}]
    assert newest == list(range(40))


def test_parts_whose_time_was_over_while_it_was_away_are_told_as_late(line: Line) -> None:
    gate = line.gate(deadline_s=5)
    first = frame(0)
    line.send(first)
    line.judge(first, verdict=Verdict.DEFECT)
    until(lambda: line.answers() == [(0, REJECT)], PATIENCE_S)
    gate.send_signal(signal.SIGTERM)
    assert gate.wait(PATIENCE_S) == 0
    assert line.plc.writes[-1] == (0, [line.plc.writes[-1][1][0], 0])  # not ready any more
    missed = frame(1)
    line.send(missed)
    line.judge(missed)
    time.sleep(5.5)
    line.gate(deadline_s=5)
    later = frame(2)
    line.send(later)
    line.judge(later)
    until(lambda: {n for n, _ in line.answers()} == {0, 1, 2}, PATIENCE_S)
    assert line.answers()[1:] == [(1, NOT_INSPECTED), (2, PASS)]
    late = [values[6] for values in line.plc.answers(slots=200)]
    assert late == [0, 1, 0]


def test_a_plc_that_is_away_for_a_while_is_told_when_it_is_back(line: Line) -> None:
    line.gate()
    parts = [frame(number) for number in range(6)]
    line.send(*parts)
    line.judge(*parts[:2])
    until(lambda: len(line.answers()) == 2, PATIENCE_S)
    line.plc.stop()
    line.judge(*parts[2:4])
    time.sleep(1)
    line.plc.start()
    line.judge(*parts[4:])
    until(lambda: {n for n, _ in line.answers()} == set(range(6)), PATIENCE_S)
    assert line.answers()[-1] == (5, PASS)
