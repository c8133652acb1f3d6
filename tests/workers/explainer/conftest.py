"""An explainer on the in-memory broker: real decoders, a stand-in for the device."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from schemas.defect import CounterpartCheck, DefectEvent
from schemas.explanation import Explanation
from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import (
    Latencies,
    Outcome,
    RecordRef,
    Verdict,
    outcome_id,
)
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Region
from stream_inspector.verdict import Verdict as Judged
from workers.explainer.attempts import Attempts
from workers.explainer.loop import Explainer
from workers.explainer.pictures import EvidenceWriter
from workers.explainer.settings import ExplainerSettings
from workers.explainer.versions import Versions
from workers.inspector.messages.verdicts import frame_ref
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryLookup
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.registry import Registry
from workers.runtime.store.memory import MemoryBlobs, MemoryStore
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics

SIZE = (32, 32)
LATENCIES = Latencies(queued_ms=1, decode_ms=1, batch_wait_ms=1, inference_ms=1, total_ms=4)


class Part:
    """A counterpart as the core makes it."""

    image = np.full((*SIZE, 3), 200, np.uint8)
    examiner, score_before, score_after, normal_limit = "examiner", 4.0, 1.0, 2.0
    convincing = True


class Device:
    """Stands in for a detector; counts, and does what it is told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.before_round: Callable[[], None] = lambda: None
        self.explained = 0

    def inspect(
        self, images: Sequence[Image], sizes: Sequence[tuple[int, int]], categories: Sequence[str]
    ) -> list[Judged]:
        self.batches.append(len(images))
        region = Region(2, 2, 10, 10, ((2, 2), (12, 2), (12, 12)), 90, 3.0)
        scores = np.full(SIZE, 3.0, np.float32)
        return [Judged(Grade.DEFECT, 3.0, 1.0, 1.0, (region,), scores) for _ in images]

    def explain(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Judged],
        categories: Sequence[str],
        *,
        on_round: Callable[[int, Any], None] | None = None,
    ) -> Sequence[Part]:
        self.before_round()
        if on_round:
            on_round(1, None)
        self.explained += 1
        return [Part()]


class Stage:
    """A broker, stores, a device and explainers in threads."""

    def __init__(self) -> None:
        self.broker, self.models, self.store = MemoryBroker(), MemoryBlobs(), MemoryStore()
        for topic in ("frames", "defects", "outcomes"):
            self.broker.create_topic(topic, 2)
        self.evidence, self.device = MemoryBlobs(), Device()
        self.metrics = ExplainerMetrics()
        self.registry = Registry(self.models)
        self.registry.push(["bolts"], "v1", b"v1", b"weights")

    def frame(self, sequence: int = 0, grey: int = 90, **changes: Any) -> tuple[Frame, RecordRef]:
        """Publish a frame; where it stands."""
        buffer = io.BytesIO()
        Pil.new("RGB", (64, 48), (grey, grey, grey)).save(buffer, "PNG")
        fields = {
            "frame_id": new_frame_id(),
            "camera_id": "line-1",
            "category": "bolts",
            "sequence": sequence,
            "captured_at": datetime.now(UTC),
            "content_type": "image/png",
            "data": buffer.getvalue(),
        }
        frame = Frame(**fields | changes)
        self.broker.append(Outgoing("frames", encode_frame(frame), 0))
        offset = self.broker.end(Partition("frames", 0)) - 1
        return frame, RecordRef(topic="frames", partition=0, offset=offset)

    def defect(self, frame: Frame, record: RecordRef, **changes: Any) -> DefectEvent:
        """Publish the frame's defect, as a worker does."""
        fields = {
            "outcome_id": outcome_id(frame.source, frame.frame_id, frame.run),
            "frame": frame_ref(frame),
            "record": record,
            "worker_id": "worker-0",
            "image_score": 3.0,
            "image_threshold": 1.0,
            "pixel_threshold": 1.0,
            "regions": [],
            "image_width": 64,
            "image_height": 48,
            "model_version": "v1",
            "calibration_id": "c1",
            "latencies": LATENCIES,
            "counterpart": CounterpartCheck(status="skipped"),
            "explanation": "explanations",
            "decided_at": datetime.now(UTC),
        }
        event = DefectEvent(**fields | changes)
        self.broker.append(Outgoing("defects", event.encode(), 0))
        return event

    def near_miss(self, frame: Frame, record: RecordRef, verdict: Verdict) -> None:
        """Publish an outcome."""
        event = Outcome(
            outcome_id=outcome_id(frame.source, frame.frame_id, frame.run),
            frame=frame_ref(frame),
            record=record,
            worker_id="worker-0",
            verdict=verdict,
            image_score=0.9,
            image_threshold=1.0,
            model_version="v1",
            calibration_id="c1",
            decided_at=datetime.now(UTC),
        )
        self.broker.append(Outgoing("outcomes", event.encode(), 0))

    def load(self, manifest: bytes, tensors: bytes) -> LoadedModel:
        """A version that the device runs."""
        version, views = manifest.decode(), {"bolts": View(SIZE)}
        device = self.device
        return LoadedModel(version, {"bolts": "c1"}, views, device.inspect, device.explain)

    def explanations(self) -> list[Explanation]:
        """What was published."""
        found = self.broker.records("explanations")
        return [Explanation.decode(record.headers, record.value) for record in found]

    @contextmanager
    def running(self, **settings: Any) -> Iterator[Explainer]:
        """An explainer in a thread, stopped in order at the end."""
        given = {
            "explainer.id": "explainer-0",
            "explainer.commit_interval_ms": 10,
            "kafka.session_timeout_ms": 1000,
            "kafka.heartbeat_interval_ms": 100,
        }
        loaded = ExplainerSettings.load(None, given | settings)
        explainer = Explainer(
            loaded,
            Versions(self.registry.fetch, self.load, lambda _: 1, 2**20, self.metrics),
            EvidenceWriter(self.evidence, self.metrics.evidence_failures.inc),
            Attempts(self.store, loaded.explainer.group),
            metrics=self.metrics,
        )
        stop, errors = StopSignal(), list[BaseException]()

        def run() -> None:
            try:
                explainer.run(
                    lambda listener: self.broker.consumer("explainers", loaded.read, listener),
                    lambda _, commit: AtLeastOnce(self.broker.producer(), commit),
                    lambda: MemoryLookup(self.broker),
                    stop,
                )
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield explainer
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()
        assert not errors, errors

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        _until(condition)

    def explained(self, count: int, **settings: Any) -> list[Explanation]:
        """Run until so many explanations are published and committed."""
        with self.running(**settings):
            self.until(lambda: len(self.explanations()) >= count)
        return self.explanations()


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def stage() -> Stage:
    return Stage()
