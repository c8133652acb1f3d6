"""The explainer's metrics."""

from prometheus_client import CollectorRegistry

from schemas.explanation import ExplanationState
from workers.runtime.telemetry.metrics.table import STEP_S, Table

# From a verdict to the publication of its explanation: from a GPU that waits for it to a night's
# backlog.
_LATENCY_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)

STEPS = ("frame", "model", "score", "counterpart", "pictures")
_PARTITION = "partitions that this explainer has"


class ExplainerMetrics(Table):
    """What an explainer tells. Counters of known label values start at 0."""

    namespace = "explainer"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self._verdicts()
        self._broker()
        for state in ExplanationState:
            self.explanations.labels(state.value)
        for status in ("convincing", "not-convincing", "skipped"):
            self.counterparts.labels(status)
        for step in STEPS:
            self.step.labels(step)

    def _verdicts(self) -> None:
        self.explanations = self._counter(
            "explanations",
            "Explanations published",
            state=", ".join(state.value for state in ExplanationState),
        )
        self.counterparts = self._counter(
            "counterparts",
            "Normal counterparts of verdicts, those that were skipped too",
            status="convincing, not-convincing, skipped",
        )
        self.evidence_failures = self._counter("evidence_failures", "Pictures not stored")
        self.unreadable = self._counter(
            "unreadable_verdicts", "Records of verdicts that could not be read, passed over"
        )
        self.lost = self._counter(
            "lost_verdicts", "Verdicts that retention took, or whose batch cannot be unpacked"
        )
        self.waiting = self._snapshot("waiting_verdicts", "Verdicts read and not explained yet")
        self.step = self._histogram(
            "step_seconds", "Time that a verdict spends in a step", STEP_S, step=", ".join(STEPS)
        )
        self.latency = self._histogram(
            "latency_seconds",
            "From a verdict to the publication of its explanation",
            _LATENCY_S,
        )
        self.device_busy = self._counter(
            "device_busy_seconds",
            "Time that explanations were worked on; its rate is the utilisation",
        )
        self.model_loads = self._counter(
            "model_loads", "Times that a model version was loaded", result="loaded, refused"
        )
        for result in ("loaded", "refused"):
            self.model_loads.labels(result)

    def _broker(self) -> None:
        self.lag = self._snapshot(
            "lag_records",
            "Verdicts not yet read",
            topic="defects; outcomes with explainer.near_misses",
            partition=_PARTITION,
        )
        self.assigned = self._gauge("assigned_partitions", "Partitions that this explainer has")
        self.transactions = self._counter(
            "transactions",
            "Publications of explanations with their positions; transactions with exactly-once",
            result="committed, aborted",
        )
        self.transaction = self._histogram("transaction_seconds", "Time of one of them", STEP_S)
        self.rebalances = self._counter(
            "rebalances", "Times that partitions came or went", event="assigned, revoked, lost"
        )
        self.ready = self._snapshot("ready", "1 when verdicts can be explained")
        for result in ("committed", "aborted"):
            self.transactions.labels(result)
        for event in ("assigned", "revoked", "lost"):
            self.rebalances.labels(event)
