"""A line for measuring model state: a worker with the demo's model, a camera, a reader."""

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.stage import TOPICS, frame, worker_flags
from schemas.outcome import Outcome
from stream_inspector.model.version import Model, save_model
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer
from workers.runtime.errors import Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.registry import Registry
from workers.runtime.settings.process import KafkaSettings, RedisSettings

PATIENCE_S = 180.0
_SHIFT = 5.0  # deviations of good images


def another(model: Model) -> Model:
    """The same networks, but each image scores 5 deviations less: it tells who scored a frame."""
    shifted = {
        name: value + _SHIFT * model.tensors[name.replace("centre", "spread")].astype(value.dtype)
        for name, value in model.tensors.items()
        if name.endswith(".centre")
    }
    return replace(model, tensors={**model.tensors, **shifted}, self_tests={})


def push(registry: Registry, model: Model) -> None:
    """Store a version."""
    made = save_model(model)
    registry.push(model.categories, model.version, made.manifest, made.tensors)


@dataclass
class Seen:
    """An outcome, and when it came (seconds, monotonic)."""

    at: float
    outcome: Outcome


@dataclass
class Line:
    """One worker and its topics."""

    kafka: KafkaSettings
    redis: RedisSettings
    folder: Path
    data: bytes  # every frame's picture, a PNG
    settings: dict[str, object] = field(default_factory=dict)
    sent: int = 0
    seen: list[Seen] = field(default_factory=list)

    def start(self) -> float:
        """Start the worker; seconds until it is ready."""
        port, started = free_port(), time.monotonic()
        given = worker_flags(self.kafka, self.redis, self.folder, port, null=False)
        arguments = ["worker", *flags(given | self.settings)]
        self.worker = Child("worker", arguments, self.folder, 20.0)
        late = wait_until_ready({port: self.worker}, PATIENCE_S, StopSignal())
        if late is not None:
            raise SystemExit(f"the worker did not become ready:\n{late.tail()}")
        return time.monotonic() - started

    def open(self) -> None:
        """Connect the camera and the reader."""
        self._camera = connect_producer(self.kafka, "camera")
        self._reader = connect_consumer(self.kafka, "reader", [TOPICS.outcomes], "reader")
        self._read()

    def close(self) -> None:
        """Stop everything."""
        self.worker.stop()
        self._camera.close()
        self._reader.close()

    def send(self, count: int) -> None:
        """Publish frames."""
        frames = [frame(self.sent + index, self.data) for index in range(count)]
        self._camera.publish(frames)
        self.sent += count

    def _read(self) -> None:
        with suppress(Transient):
            for record in self._reader.poll(0.05):
                outcome = Outcome.decode(record.headers, record.value)
                self.seen.append(Seen(time.monotonic(), outcome))

    def wait(self) -> None:
        """Read until every frame that was sent has its outcome; give up when none comes."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.ids()) < self.sent:
            before = len(self.seen)
            self._read()
            if len(self.seen) > before:
                deadline = time.monotonic() + PATIENCE_S
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.lost()} outcomes did not come:\n{self.worker.tail()}")

    def ids(self) -> set[str]:
        """Of the outcomes."""
        return {each.outcome.outcome_id for each in self.seen}

    def lost(self) -> int:
        """Frames without an outcome."""
        return self.sent - len(self.ids())

    def run(self, seconds: float, rate: float, events: dict[float, Callable[[], None]]) -> None:
        """Send `rate` frames/s for so long while outcomes are read; events happen at their time."""
        stop = threading.Event()
        timers = [threading.Timer(at, do) for at, do in events.items()]

        def send() -> None:
            started, before = time.monotonic(), self.sent
            while not stop.wait(0.02):
                due = before + int((time.monotonic() - started) * rate)
                if due > self.sent:
                    self.send(due - self.sent)

        camera = threading.Thread(target=send)
        for thread in (camera, *timers):
            thread.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._read()
        stop.set()
        for thread in (camera, *timers):
            thread.join()

    def rate(self, start: float, stop: float) -> float:
        """Outcomes a second that came between two times (monotonic)."""
        return sum(start <= each.at < stop for each in self.seen) / (stop - start)


def capacity(line: Line, frames: int = 96) -> float:
    """Frames a second that the worker can do, from a backlog."""
    line.send(16)
    line.wait()
    started = time.monotonic()
    line.send(frames)
    line.wait()
    return frames / (time.monotonic() - started)


def mixtures(seen: list[Seen], versions: tuple[Model, Model]) -> int:
    """Outcomes whose score is the other version's, or whose calibration is."""
    scores = {
        model.version: [
            s.outcome.image_score for s in seen if s.outcome.model_version == model.version
        ]
        for model in versions
    }
    usual = {version: statistics.median(found) for version, found in scores.items() if found}  # type: ignore[type-var]
    wrong = 0
    for each in seen:
        mine = usual[str(each.outcome.model_version)]
        wrong += abs((each.outcome.image_score or 0.0) - mine) > _SHIFT / 10  # type: ignore[operator]
    return wrong
