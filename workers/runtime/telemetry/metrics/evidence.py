"""The metrics of `evidence gc --every`."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table


class EvidenceMetrics(Table):
    """What is told of the evidence store."""

    namespace = "evidence"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.bytes = self._gauge("bytes", "What the store held after the last run")
        self.limit = self._gauge("limit_bytes", "evidence.keep.max_gb")
        self.excess = self._gauge(
            "excess_bytes", "Above the limit, and held or younger than an hour"
        )
        self.cases = self._gauge("cases", "Cases whose pictures are there")
        self.held = self._gauge("held_cases", "Those that somebody holds")
        self.expired = self._counter("expired_cases", "Cases that went", cause="two: age, room")
        self.failed_runs = self._counter("failed_runs", "Runs that the store did not let end")
        self.since_run = self._snapshot(
            "since_run_seconds", "Since the last run that ended, or the start"
        )
