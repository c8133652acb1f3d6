"""A stage to play the journey on: everything real but the broker, the stores and the detector."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.envelope import WireMessage
from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import Outcome
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Region, Verdict
from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.guard.triage import TrialImpossible, Trials
from workers.inspector.loop import Inspector
from workers.inspector.models.device import model_memory
from workers.inspector.models.keeper import ModelKeeper, nothing_known
from workers.inspector.pipeline.evidence import EvidenceWriter
from workers.inspector.settings import InspectorSettings
from workers.inspector.work import LoadedModel, Ticket
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Consumer, Outgoing, Positions, RebalanceListener
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.registry import Registry
from workers.runtime.store.memory import MemoryBlobs, MemoryStore
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.telemetry.tracing import Tracing

SIZE = (32, 32)
VIEWS = {"bolts": View(SIZE), "nuts": View(SIZE)}
CALIBRATIONS = dict.fromkeys(("bolts", "nuts"), "calibration-1")


def brightness(
    images: Sequence[Image], sizes: Sequence[tuple[int, int]], categories: Sequence[str]
) -> list[Verdict]:
    """A detector that calls dark products defective. It cannot bear pure white ones."""
    return [_verdict(image, size) for image, size in zip(images, sizes, strict=True)]


def _verdict(image: Image, size: tuple[int, int]) -> Verdict:
    if image.min() == 255:
        raise RuntimeError("overexposed")
    score = 1.0 - float(image.mean()) / 255
    grade = Grade.DEFECT if score > 0.5 else Grade.PASS
    region = Region(0, 0, *size, ((0, 0), (size[0], 0), (size[0], size[1])), size[0], score)
    regions = (region,) if grade is Grade.DEFECT else ()
    return Verdict(grade, score, 0.5, 0.5, regions, np.full(SIZE, score, np.float32))


def load_brightness(manifest: bytes, tensors: bytes) -> LoadedModel:
    """Loads the stand-in; its version is its manifest."""
    return LoadedModel(manifest.decode(), CALIBRATIONS, VIEWS, brightness)


def png(grey: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A plain picture."""
    buffer = io.BytesIO()
    Pil.new("RGB", size, (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def frame(data: bytes, sequence: int = 0, **changes: Any) -> Frame:
    """A frame of camera line-1."""
    fields = {
        "frame_id": new_frame_id(),
        "camera_id": "line-1",
        "category": "bolts",
        "sequence": sequence,
        "captured_at": datetime.now(UTC),
        "content_type": "image/png",
        "data": data,
    }
    return Frame(**fields | changes)


class NoTrials:
    """No process can be started."""

    def survives(self, ticket: Ticket) -> bool:
        raise TrialImpossible(f"of offset {ticket.record.offset} nothing is known")

    def close(self) -> None:
        """Nothing to end."""


class Stage:
    """A broker, the stores, and inspectors in threads."""

    def __init__(self) -> None:
        self.broker, self.blobs, self.redis = MemoryBroker(), MemoryBlobs(), MemoryStore()
        self.broker.create_topic("frames", 2)
        self.evidence = MemoryBlobs()
        self.registry = Registry(self.blobs, self.redis)
        self.metrics = InspectorMetrics()
        self.max_records = 50
        self.tracing: Tracing | None = None
        self.inspectors: list[Inspector] = []
        self.errors: list[BaseException] = []
        self._running: list[tuple[StopSignal, threading.Thread]] = []

    def activate(self, category: str, version: str) -> None:
        self.registry.push([category], version, version.encode(), b"weights")
        self.registry.activate(category, version, by="test", why="test")

    def slowly(self, seconds: float) -> Any:
        """Loads a detector that takes its time for each batch."""

        def inspect(
            images: Sequence[Image], sizes: Sequence[tuple[int, int]], categories: Sequence[str]
        ) -> list[Verdict]:
            time.sleep(seconds)
            return brightness(images, sizes, categories)

        return lambda manifest, tensors: LoadedModel(
            manifest.decode(), CALIBRATIONS, VIEWS, inspect
        )

    def start(
        self, load: Any = load_brightness, trials: Trials | None = None, **overrides: Any
    ) -> StopSignal:
        given = {
            "categories.names": ["bolts", "nuts"],
            "models.refresh_s": 0.05,
            "worker.batch_age_ms": 5,
            "worker.commit_interval_ms": 10,
            "worker.drain_s": 5,
            "kafka.session_timeout_ms": 1000,
            "kafka.heartbeat_interval_ms": 100,
            "worker.id": f"worker-{len(self._running)}",
        }
        settings = InspectorSettings.load(None, given | overrides)
        categories = frozenset(settings.categories.names)
        keeper = ModelKeeper(
            self.registry,
            load,
            categories,
            size=getattr(load, "size", nothing_known),
            limit_bytes=model_memory("cpu", settings.models.memory_mb),
            patience_s=settings.models.patience_s,
            metrics=self.metrics,
        )
        writer = EvidenceWriter(self.evidence, self.metrics.evidence_failures.inc)
        crash_log = CrashLog(self.redis, "inspectors")
        inspector = Inspector(
            *(settings, categories, keeper, writer, crash_log),
            trials=trials or NoTrials(),
            metrics=self.metrics,
            tracing=self.tracing,
            announce=self.broker.append,
        )
        stop = StopSignal()
        thread = threading.Thread(target=self._run, args=(inspector, stop), daemon=True)
        self.inspectors.append(inspector)
        self._running.append((stop, thread))
        thread.start()
        return stop

    def _run(self, inspector: Inspector, stop: StopSignal) -> None:
        def connect(listener: RebalanceListener) -> Any:
            return self.broker.consumer("inspectors", ["frames"], listener, self.max_records)

        def deliver(consumer: Consumer, commit: Callable[[Positions], None]) -> AtLeastOnce:
            return AtLeastOnce(self.broker.producer(), commit)

        try:
            inspector.run(connect, deliver, stop)
        except BaseException as error:
            self.errors.append(error)

    def frames_read(self) -> int:
        return int(self.metrics.registry.get_sample_value("inspector_frames_total") or 0)

    def send(self, *frames: Frame | WireMessage, partition: int | None = None) -> None:
        for each in frames:
            message = encode_frame(each) if isinstance(each, Frame) else each
            self.broker.append(Outgoing("frames", message, partition))

    def outcomes(self) -> list[Outcome]:
        return [Outcome.decode(r.headers, r.value) for r in self.broker.records("outcomes")]

    def defects(self) -> list[DefectEvent]:
        return [DefectEvent.decode(r.headers, r.value) for r in self.broker.records("defects")]

    def dead_letters(self) -> list[DeadLetter]:
        records = self.broker.records("dead-letters")
        return [DeadLetter.decode(r.headers, r.value) for r in records]

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    def outcomes_of(self, count: int) -> list[Outcome]:
        self.until(lambda: len(self.broker.records("outcomes")) >= count)
        return self.outcomes()

    def distinct_outcomes(self) -> dict[str, Outcome]:
        """By id: a frame that is delivered again may have two, with the same id."""
        return {outcome.outcome_id: outcome for outcome in self.outcomes()}

    def wait_for_error(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.errors) < count:
            assert time.monotonic() < deadline, "nothing failed"
            time.sleep(0.005)

    def stop(self) -> None:
        for stop, _ in self._running:
            stop.set()
        for _, thread in self._running:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.activate("bolts", "bolts-v1")
    yield stage
    with suppress(AssertionError):
        stage.stop()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return png


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    return frame
