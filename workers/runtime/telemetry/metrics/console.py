"""The console's metrics: all are asked for at a scrape."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table

_TOPIC = "each topic that is read"
_CATEGORY = "the hundred that people spoke of most"
_BOUND = "observed, lower, upper: of the interval"


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
        self.false_alarms = self._snapshot(
            "false_alarm_ratio",
            "Of good parts of the random sample, those that alarm, by people's word",
            category=_CATEGORY,
            bound=_BOUND,
        )
        self.escapes = self._snapshot(
            "escape_ratio",
            "Of defective parts of the random sample, those that do not alarm, by people's word",
            category=_CATEGORY,
            bound=_BOUND,
        )
        self.certified = self._snapshot(
            "certified_false_alarm_ratio",
            "Of good parts, those that may alarm: what the present calibration promised",
            category=_CATEGORY,
        )
        self.audited = self._snapshot(
            "audited_parts",
            "Parts of the random sample that people judged, of the present calibration",
            category=_CATEGORY,
        )
        self.missed = self._snapshot(
            "missed_defects",
            "Defects that passed or were not inspected, as people said in the last day",
            category=_CATEGORY,
        )
