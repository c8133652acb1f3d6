"""The console's metrics: all are asked for at a scrape."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table

_TOPIC = "the eight topics that are read"


class ConsoleMetrics(Table):
    """What a console tells."""

    namespace = "console"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.read = self._tally("read_records", "Records in the history", topic=_TOPIC)
        self.passed_over = self._tally(
            "passed_over_records", "Records that could not be read", topic=_TOPIC
        )
        self.behind = self._snapshot("behind_records", "Records that wait to be read", topic=_TOPIC)
        self.reading = self._snapshot("reading", "1 while the topic is read", topic=_TOPIC)
        self.outcomes = self._snapshot("kept_outcomes", "Outcomes in the history")
