"""The notifier's metrics: all of them are asked for at a scrape, the loop only counts."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table

_CHANNEL = "configured channels"


class NotifierMetrics(Table):
    """What a notifier tells."""

    namespace = "notifier"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.events = self._tally("events", "Events read")
        self.unreadable = self._tally("unreadable_events", "Events of an unknown form")
        self.passed_over = self._tally(
            "passed_over_events", "Events that had expired, or whose batch cannot be unpacked"
        )
        self.alarms = self._tally("alarms", "Alarms raised")
        self.delivered = self._tally(
            "delivered_alarms", "Alarms that a channel took", channel=_CHANNEL
        )
        self.failures = self._tally(
            "failed_deliveries", "Times that a channel did not take an alarm", channel=_CHANNEL
        )
        self.given_up = self._tally(
            "given_up_alarms", "Alarms dropped: too many were undelivered", channel=_CHANNEL
        )
        self.undelivered = self._snapshot(
            "undelivered_alarms", "Alarms on disk that wait for their channel", channel=_CHANNEL
        )
        self.oldest = self._snapshot(
            "oldest_undelivered_seconds",
            "Age of the oldest of them; 0 when there is none",
            channel=_CHANNEL,
        )
        self.ready = self._snapshot("ready", "1 when events are read")
        self.stalled = self._snapshot("since_poll_seconds", "Since events were last asked for")
