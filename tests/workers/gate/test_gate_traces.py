"""A whole gate on the in-memory broker tells the trace of a frame when the plant has its answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from schemas.frame import Frame, encode_frame
from schemas.outcome import Verdict
from tests.otlp_collector import Collector
from tests.workers.gate.parts import frame, outcome
from tests.workers.gate.plants import Plc, until
from workers.gate.run import run_gate
from workers.gate.settings import GateProcessSettings
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing
from workers.runtime.lifecycle import StopSignal
from workers.runtime.watchdog import Pulse

pytestmark = pytest.mark.integration


@contextmanager
def gate(broker: MemoryBroker, plc: Plc, collector: Collector, folder: Path) -> Iterator[None]:
    given = {
        "gate.cameras": ["line-1"],
        "gate.folder": str(folder),
        "gate.deadline_s": 2.0,
        "gate.heartbeat_s": 0.1,
        "gate.modbus.host": "127.0.0.1",
        "gate.modbus.port": plc.port,
        "tracing.endpoint": collector.endpoint,
    }
    settings, stop = GateProcessSettings.load(None, given), StopSignal()

    def open_topic(topic: str, pulse: Pulse, since: datetime) -> MemoryReader:
        return MemoryReader(broker, topic)

    running = threading.Thread(target=run_gate, args=(settings, open_topic, stop))
    running.start()
    try:
        until(lambda: any(at == 0 and values[-1] for at, values in plc.writes))
        yield
    finally:
        stop.set()
        running.join(20)


def traced(number: int, *, sampled: bool) -> Frame:
    context = f"00-{number:032x}-{number:016x}-0{int(sampled)}"
    return replace(frame(number), traceparent=context)


def test_an_answer_is_a_span_of_its_frames_trace(tmp_path: Path) -> None:
    broker = MemoryBroker()
    for topic in ("frames", "outcomes"):
        broker.create_topic(topic, 1)
    with Collector() as collector, Plc() as plc:
        with gate(broker, plc, collector, tmp_path):
            bad, unjudged, unsampled = traced(1, sampled=True), traced(2, sampled=True), frame(3)
            for each in (bad, unjudged, unsampled):
                broker.append(Outgoing("frames", encode_frame(each)))
            for each, verdict in ((bad, Verdict.DEFECT), (unsampled, Verdict.PASS)):
                broker.append(Outgoing("outcomes", outcome(each, verdict).encode()))
            until(lambda: len(plc.answers()) == 3)
        assert len(collector.spans) == 2  # all are told when the gate ends
        rejected = collector.trace(f"{1:032x}")["answer"]
        missed = collector.trace(f"{2:032x}")["answer"]
    assert (rejected.service, rejected.parent) == ("stream-inspector-gate", f"{1:016x}")
    assert rejected.started // 1000 == round(bad.captured_at.timestamp() * 1e6)
    assert rejected.ended > rejected.started
    said = {k.removeprefix("inspector."): v for k, v in rejected.attributes.items()}
    assert said["decision"] == "reject"
    assert said["channel"] == "modbus"
    assert said["late"] == "false"
    assert missed.attributes["inspector.reason"] == "deadline"
    assert missed.ended - missed.started > 1.9e9
