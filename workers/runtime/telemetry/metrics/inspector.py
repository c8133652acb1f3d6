"""The inspector's metrics."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from schemas.outcome import RejectReason, Verdict
from workers.runtime.telemetry.metrics.table import STEP_S, Table

# From capture to publication: from a fast line to half an hour of backlog. 5 s is the objective of
# the latency alert, so it has to be a bound.
_LATENCY_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)  # frames; batches grow by doubling when they are tuned

STAGES = ("queued", "decode", "batch_wait", "inference", "publish")

_CATEGORY = "configured categories"
_PARTITION = "partitions that this worker has"


class InspectorMetrics(Table):
    """What a worker tells. Counters of known label values start at 0: a first event is a rise."""

    namespace = "inspector"

    def __init__(
        self, registry: CollectorRegistry | None = None, categories: Iterable[str] = ()
    ) -> None:
        super().__init__(registry)
        self._frames_and_outcomes()
        self._time()
        self._broker()
        self._models_and_device()
        for reason in RejectReason:
            self.rejected.labels(reason.value)
        for category in categories:
            for verdict in Verdict:
                self.outcomes.labels(category, verdict.value)
        for stage in STAGES:
            self.stage.labels(stage)

    def _frames_and_outcomes(self) -> None:
        self.frames = self._counter("frames", "Frames read from the frames topic")
        self.outcomes = self._counter(
            "outcomes",
            "Frames inspected, their outcome published",
            category=_CATEGORY,
            verdict="pass, near_miss, defect",
        )
        self.rejected = self._counter(
            "rejected_frames",
            "Frames not inspected, their dead letter published",
            reason="reject reasons of the outcome message",
        )
        self.damaged = self._counter(
            "damaged_frames", "Frames that lost a part of their data, rejected or accepted"
        )
        self.expired = self._counter(
            "expired_records", "Records that retention deleted before they were inspected"
        )
        self.unreadable = self._counter(
            "unreadable_records", "Records not inspected because their batch cannot be unpacked"
        )
        self.drifted = self._snapshot(
            "drifted_cameras",
            "Cameras whose last frames differ from the good images of the model in use",
            category=_CATEGORY,
            what="score, light, focus, across, down",
        )

    def _time(self) -> None:
        self.batch_size = self._histogram("batch_size_frames", "Frames of a batch", _SIZES)
        self.stage = self._histogram(
            "stage_seconds", "Time that a frame spends in a stage", STEP_S, stage=", ".join(STAGES)
        )
        self.latency = self._histogram(
            "latency_seconds",
            "From a frame's capture to the publication of its verdict",
            _LATENCY_S,
        )
        self.uncommitted = self._gauge(
            "since_progress_seconds", "Since the last commit while frames wait; 0 when caught up"
        )

    def _broker(self) -> None:
        self.lag = self._snapshot("lag_records", "Records not yet read", partition=_PARTITION)
        self.assigned = self._gauge("assigned_partitions", "Partitions that this worker has")
        self.in_flight = self._gauge("in_flight_bytes", "Bytes from poll to publication")
        self.in_flight_limit = self._gauge(
            "in_flight_limit_bytes", "The bound on it (worker.in_flight_mb)"
        )
        self.transactions = self._counter(
            "transactions",
            "Publications of outcomes with their positions; transactions with exactly-once",
            result="committed, aborted",
        )
        self.transaction = self._histogram("transaction_seconds", "Time of one of them", STEP_S)
        self.rebalances = self._counter(
            "rebalances", "Times that partitions came or went", event="assigned, revoked, lost"
        )
        self.up = self._snapshot(
            "server_up",
            "1 while a server answers (Redis: and takes writes), else 0",
            server="broker, redis, models",
        )
        self.ready = self._gauge("ready", "1 when frames can be inspected")
        self.stopped = self._gauge("stopped", "1 while reading rests: too many were rejected")
        self.held_back = self._gauge(
            "held_back_cameras", "Cameras whose frames are rejected unseen: too many were rejected"
        )
        for result in ("committed", "aborted"):
            self.transactions.labels(result)
        for event in ("assigned", "revoked", "lost"):
            self.rebalances.labels(event)

    def _models_and_device(self) -> None:
        self.model = self._snapshot(
            "model_info",
            "1 for the model version in use",
            category=_CATEGORY,
            version="one a category",
        )
        self.missing = self._snapshot(
            "model_missing", "1 for a category that cannot be inspected", category=_CATEGORY
        )
        self.model_loads = self._counter(
            "model_loads", "Times that a model version was loaded", result="loaded, refused"
        )
        self.model_load = self._histogram(
            "model_load_seconds", "From the bytes of a model version to its self-test", STEP_S
        )
        self.model_evictions = self._counter(
            "model_evictions", "Models that left memory for others (models.memory_mb)"
        )
        self.model_memory = self._snapshot(
            "model_memory_bytes",
            "Memory of the loaded models on the device, and the bound on it",
            kind="loaded, limit (models.memory_mb)",
        )
        self.model_refused = self._snapshot(
            "model_refused",
            "1 while the active version cannot be used; an older one goes on where there is one",
            category=_CATEGORY,
            version="one a category",
        )
        for result in ("loaded", "refused"):
            self.model_loads.labels(result)
        self.device_busy = self._counter(
            "device_busy_seconds",
            "Time that the inference thread had the device at work; its rate is the utilisation",
        )
        self.device_memory = self._snapshot(
            "device_memory_bytes",
            "Memory of a CUDA device; without one see process_resident_memory_bytes",
            kind="allocated, reserved (by this worker), used, total (of the device)",
        )
