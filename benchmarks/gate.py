"""From exposure to the gate: one camera, the demo's model, and a PLC that notes when it was told.

    python -m benchmarks.gate --parts 300                  # a quick look, some minutes
    python -m benchmarks.gate --parts 10000 --faults       # on an idle machine, 40 minutes

On Apache Kafka, one broker, one worker, all on this machine. With `--faults` the gate, the worker
and the broker are killed in turns and started again (`--broker embedded`, which keeps all in
memory, stays). A part that was in the line then is answered
as not inspected at its deadline, or as late, where the gate was away; none may stay without an
answer, and none be answered otherwise than it was judged.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plc import NOT_INSPECTED, PASS, REJECT, Plc, Told
from benchmarks.stage import activate, worker_flags
from schemas.outcome import Outcome, Verdict
from workers.demo.settings import SYNTHETIC_CATEGORY
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.model_source import shipped_model
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.runtime.bus.kafka.connect import create_topics
from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import KafkaSettings, RedisSettings, TopicSettings

CAMERA = "cam-1"
_FAULTS = ("gate", "worker", "broker")
_READY_S, _GRACE_S = 180.0, 20.0
_CALM_S = 30.0  # parts of so long after a fault are looked at on their own
_SLOTS = 1000
_Times = Mapping[int, float]  # part -> seconds since the epoch


def main() -> None:
    """Measure, and print what came of it. Exit code 1: a part unanswered, or answered wrong."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="stream-inspector-gate-") as folder:
        result = _measure(given, Path(folder))
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    sys.exit(1 if result["unanswered"] or result["answered_wrong"] else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="From exposure to the gate.")
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--rate", type=float, default=5.0, help="parts a second")
    parser.add_argument("--deadline", type=float, default=1.0, help="gate.deadline_s")
    parser.add_argument("--broker", choices=BROKERS, default="kafka")
    parser.add_argument("--faults", action="store_true", help="kill gate, worker, broker in turns")
    parser.add_argument("--every", type=int, default=500, help="parts between two faults")
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args()


class Line:
    """Servers, camera, worker, gate and PLC. A context manager."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self._given, self._folder, self._closing = given, folder, ExitStack()
        self._starts: Counter[str] = Counter()
        self.children: dict[str, Child] = {}

    def __enter__(self) -> "Line":
        enter = self._closing.enter_context
        kind = BROKERS[self._given.broker]
        self.broker: Any = enter(kind.start())
        self.plc = enter(Plc(1, _SLOTS))
        redis = RedisSettings(url=enter(EmbeddedStore()).url)
        self.kafka = KafkaSettings(
            bootstrap_servers=self.broker.bootstrap_servers, **dict(kind.kafka)
        )
        create_topics(self.kafka, dict.fromkeys(TopicSettings().names(), 1))
        model = shipped_model(SYNTHETIC_CATEGORY)
        assert model is not None  # noqa: S101  (it is in the repository)
        activate(model, self._folder, redis)
        self._settings = {
            "worker": self._worker(redis),
            "gate": self._gate(),
            "camera": self._camera(),
        }
        self._closing.callback(self._stop)
        for name in ("worker", "gate"):
            self.start(name, wait=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def start(self, name: str, *, wait: bool = False) -> None:
        """Start a process (again)."""
        self._starts[name] += 1
        port = free_port()
        arguments = [name, *flags(self._settings[name] | {"health.port": port})]
        log = f"{name}-{self._starts[name]}"
        child = self.children[name] = Child(log, arguments, self._folder, _GRACE_S)
        if wait and wait_until_ready({port: child}, _READY_S, StopSignal()) is not None:
            raise SystemExit(f"{name} did not become ready:\n{child.tail()}")

    def strike(self, number: int) -> str:
        """Kill something and start it again."""
        able = _FAULTS[: 2 if BROKERS[self._given.broker].in_memory else 3]
        name = able[number % len(able)]
        if name == "broker":
            node = self.broker.nodes[0]
            node.kill()
            node.start()
            node.wait_until_ready()
        else:
            self.children[name].kill()
            time.sleep(0.5)
            self.start(name)
        return name

    def revive(self) -> None:
        """As an orchestrator would."""
        for name in ("worker", "gate"):
            if self.children[name].code is not None:
                self.start(name)

    def captured(self) -> dict[int, float]:
        """Parts that the camera sent, with the moment of their exposure."""
        book = self._folder / "sent.jsonl"
        lines = (
            [json.loads(each) for each in book.read_text().splitlines()] if book.exists() else []
        )
        return {
            each["sequence"]: datetime.fromisoformat(each["captured_at"]).timestamp()
            for each in lines
        }

    def judged(self) -> dict[int, tuple[int, bool]]:
        """Part -> what its committed outcome has a gate answer."""
        return dict(self._outcomes())

    def _outcomes(self) -> Iterator[tuple[int, tuple[int, bool]]]:
        topic = TopicSettings().outcomes
        with closing(KafkaReader(self.kafka, topic, "benchmark")) as reader:
            while not reader.at_end():
                for record in reader.poll(0.2):
                    outcome = Outcome.decode(record.headers, record.value)
                    if outcome.frame is not None:
                        bad = outcome.verdict is Verdict.DEFECT
                        yield outcome.frame.sequence, (REJECT, True) if bad else (PASS, False)

    def _stop(self) -> None:
        for child in self.children.values():
            child.stop()

    def _worker(self, redis: RedisSettings) -> dict[str, Any]:
        given = worker_flags(self.kafka, redis, self._folder, 0, null=False)
        given["worker.delivery"] = BROKERS[self._given.broker].delivery
        if given["worker.delivery"] == "exactly-once":
            given["worker.transactional_id"] = "worker-1"
            given["kafka.transaction_timeout_ms"] = 30_000  # above the broker's restart
        return given

    def _gate(self) -> dict[str, Any]:
        return {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "gate.cameras": [CAMERA],
            "gate.deadline_s": self._given.deadline,
            "gate.folder": self._folder / "gate",
            **self.plc.settings(),
        }

    def _camera(self) -> dict[str, Any]:
        return {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "camera.category": SYNTHETIC_CATEGORY,
            "camera.ids": [CAMERA],
            "camera.rate": self._given.rate,
            "camera.frames": self._given.parts,
            "camera.sent_log": self._folder / "sent.jsonl",
        }


def _measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    faults: list[tuple[str, float]] = []
    with Line(given, folder) as line:
        line.start("camera")
        limit = time.monotonic() + 2 * given.parts / given.rate + _READY_S
        while line.children["camera"].code is None and time.monotonic() < limit:
            line.revive()
            if given.faults and len(line.captured()) >= given.every * (len(faults) + 1):
                at = time.time()
                faults.append((line.strike(len(faults)), at))
            time.sleep(0.1)
        parts = line.captured()
        _await_answers(line, parts)
        return report(given, parts, line.plc.told, line.judged(), faults)


def _await_answers(line: Line, parts: _Times) -> None:
    limit = time.monotonic() + _READY_S
    while parts.keys() - {each.part for each in line.plc.told} and time.monotonic() < limit:
        line.revive()
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class _Answered:
    """A part's first answer."""

    told: Told
    latency_ms: float


def report(
    given: argparse.Namespace,
    parts: _Times,
    told: Sequence[Told],
    judged: Mapping[int, tuple[int, bool]],
    faults: Sequence[tuple[str, float]],
) -> dict[str, Any]:
    """What the PLC was told, beside what was sent and judged."""
    first: dict[int, _Answered] = {}
    for each in told:
        if each.part in parts and each.part not in first:
            first[each.part] = _Answered(each, 1000 * (each.at - parts[each.part]))
    calm = [
        answer.latency_ms
        for part, answer in first.items()
        if not any(-given.deadline <= parts[part] - at <= _CALM_S for _, at in faults)
    ]
    decisions = Counter(each.told.decision for each in first.values())
    return {
        "parts": len(parts),
        "rate": given.rate,
        "faults": dict(Counter(name for name, _ in faults)),
        "unanswered": len(parts.keys() - first.keys()),
        "answered_wrong": sum(_wrong(each, judged) for each in told),
        "passed": decisions[PASS],
        "rejected": decisions[REJECT],
        "not_inspected": decisions[NOT_INSPECTED],
        "late": sum(each.told.late for each in first.values()),
        "ms": _spread([each.latency_ms for each in first.values()]),
        "ms_without_a_fault_in_30_s": _spread(calm),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _wrong(told: Told, judged: Mapping[int, tuple[int, bool]]) -> bool:
    """A pass or reject that nobody judged so; not inspected is right where time was over."""
    if told.decision == NOT_INSPECTED:
        return not told.reject
    return judged.get(told.part) != (told.decision, told.reject)


def _spread(milliseconds: Sequence[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
    return {
        "parts": len(milliseconds),
        "p50": round(float(p50), 1),
        "p95": round(float(p95), 1),
        "p99": round(float(p99), 1),
        "most": round(max(milliseconds), 1),
    }


if __name__ == "__main__":
    main()
