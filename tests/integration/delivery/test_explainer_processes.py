"""Explainers as processes on real brokers: whatever dies, each verdict is explained once."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from schemas.defect import CounterpartCheck, DefectEvent
from schemas.explanation import Explanation, ExplanationState
from schemas.outcome import FrameRef, Latencies, RecordRef, content_digest, outcome_id
from workers.runtime.bus.kafka.connect import connect_consumer
from workers.runtime.bus.kafka.reading.lookup import KafkaLookup
from workers.runtime.bus.ports import Outgoing, Partition

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROGRAM = (str(Path(__file__).with_name("quick_explainer.py")),)
LATENCIES = Latencies(queued_ms=1, decode_ms=1, batch_wait_ms=1, inference_ms=1, total_ms=4)


class Verdicts:
    """Publishes a defect of every frame that a stage sent, and reads what is explained."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        topics, kafka = stage.topics, stage.kafka
        group = f"{stage.prefix}frames-reader"
        self.frames = connect_consumer(kafka, group, [topics["frames"]], "frames-reader")
        group = f"{stage.prefix}explanations-reader"
        self.reader = connect_consumer(kafka, group, [topics["explanations"]], "told-reader")
        self.told: list[Explanation] = []
        self.read_to: dict[Partition, int] = {}
        self.wanted: set[str] = set()

    def judge(self, count: int, **changes: Any) -> None:
        """Call so many more frames defective."""
        deadline, done = time.monotonic() + 60, 0
        while done < count:
            assert time.monotonic() < deadline, "no frames"
            for record in self.frames.poll(0.2):
                headers = dict(record.headers)
                name = outcome_id(headers["ce_source"].decode(), headers["ce_id"].decode())
                self._publish(self.stage.sent[name], record, changes)
                self.wanted.add(name)
                done += 1

    def _publish(self, frame: Any, record: Any, changes: dict[str, Any]) -> None:
        at = record.partition
        fields = {
            "outcome_id": outcome_id(frame.source, frame.frame_id),
            "frame": FrameRef(
                frame_id=frame.frame_id,
                camera_id=frame.camera_id,
                category=frame.category,
                sequence=frame.sequence,
                captured_at=frame.captured_at,
                content=content_digest(frame.data),
            ),
            "record": RecordRef(topic=at.topic, partition=at.index, offset=record.offset),
            "worker_id": "worker-0",
            "image_score": 3.0,
            "image_threshold": 1.0,
            "pixel_threshold": 1.0,
            "regions": [],
            "image_width": 64,
            "image_height": 64,
            "model_version": "v1",
            "calibration_id": "c1",
            "latencies": LATENCIES,
            "counterpart": CounterpartCheck(status="skipped"),
            "explanation": self.stage.topics["explanations"],
            "decided_at": frame.captured_at,
        }
        event = DefectEvent(**fields | changes)
        self.stage.producer.publish([Outgoing(self.stage.topics["defects"], event.encode())])

    def read(self) -> None:
        """What a committed reader sees."""
        for record in self.reader.poll(0.2):
            if record.offset < self.read_to.get(record.partition, 0):
                continue
            self.read_to[record.partition] = record.offset + 1
            self.told.append(Explanation.decode(record.headers, record.value))

    def until(self, count: int, seconds: float = 120.0) -> None:
        """Read until so many different ones are there."""
        deadline = time.monotonic() + seconds
        while len({each.outcome_id for each in self.told}) < count:
            if time.monotonic() > deadline:
                logs = [log.read_text()[-3000:] for log in self.stage.folder.glob("*.log")]
                pytest.fail(f"{len(self.told)} of {count}:\n" + "\n----\n".join(logs))
            self.read()

    def close(self) -> None:
        self.frames.close()
        self.reader.close()


def test_killed_explainers_lose_and_repeat_nothing(kafka_stage: Any) -> None:
    stage = kafka_stage
    verdicts = Verdicts(stage)
    evidence = {"evidence.url": stage.folder / "evidence"}

    def explainer(slot: int) -> Any:  # a stable id: the successor aborts what was left open
        own = {"explainer.transactional_id": f"{stage.prefix}explainer-{slot}"}
        return stage.explainer(PROGRAM, **own, **evidence, **{"explainer.delivery": "exactly-once"})

    running = [explainer(0), explainer(1)]
    total = 0
    for kill in range(2):
        stage.send(30)
        verdicts.judge(30)
        verdicts.until(total + 6)
        total += 30
        running[kill % 2].send_signal(signal.SIGKILL)
        running[kill % 2] = explainer(kill % 2)
    verdicts.until(total)
    end = time.monotonic() + 1
    while time.monotonic() < end:  # what comes late would come twice
        verdicts.read()
    verdicts.close()
    ids = [each.outcome_id for each in verdicts.told]
    assert len(ids) == len(set(ids)) == total
    assert set(ids) == verdicts.wanted
    assert {each.state for each in verdicts.told} == {ExplanationState.EXPLAINED}


def test_a_deadly_one_is_skipped_and_the_rest_is_explained(stage: Any) -> None:
    from tests.integration.conftest import png

    verdicts = Verdicts(stage)
    stage.send(4, cameras=1)
    stage.send(1, cameras=1, data=png(7))
    stage.send(4, cameras=1)
    verdicts.judge(9)
    deadly = [name for name, frame in stage.sent.items() if frame.data == png(7)]
    process = stage.explainer(PROGRAM, **{"explainer.attempts": 2})
    deadline = time.monotonic() + 200
    while len({each.outcome_id for each in verdicts.told}) < 9 and time.monotonic() < deadline:
        verdicts.read()
        if process.poll() is not None:
            process = stage.explainer(PROGRAM, **{"explainer.attempts": 2})
    verdicts.close()
    states = {each.outcome_id: each.state for each in verdicts.told}
    assert [name for name, state in states.items() if state is ExplanationState.SKIPPED] == deadly
    assert len(states) == 9


def test_single_records_are_found_by_their_place(stage: Any) -> None:
    stage.send(6, cameras=2)
    frames = connect_consumer(stage.kafka, "all-frames", [stage.topics["frames"]], "all-frames")
    records: list[Any] = []
    deadline = time.monotonic() + 60
    while len(records) < 6 and time.monotonic() < deadline:
        records += frames.poll(0.2)
    frames.close()
    lookup = KafkaLookup(stage.kafka, "lookup")
    for record in reversed(records):
        assert lookup.find(record.partition, record.offset) == record
    last = max(records, key=lambda each: (each.partition, each.offset))
    assert lookup.find(last.partition, last.offset + 1000) is None
    assert lookup.find(Partition("frames", 99), 0) is None
    assert lookup.find(Partition("no-such-topic", 0), 0) is None
    lookup.close()
