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
        self.unreadable = self._tally(
            "unreadable_events", "Events that could not be handled: set aside"
        )
        self.lost = self._tally(
            "lost_events", "Events that had expired, or whose batch cannot be unpacked"
        )
        self.alarms = self._tally("alarms", "Alarms raised")
        self.withheld = self._tally("withheld_alarms", "Alarms that were told before")
        self.passed_over = self._tally(
            "passed_over_events",
            "Events that tell nothing new, by why: repeated, told-before, too-old",
            reason="three",
        )
        self.pictures = self._tally(
            "awaited_explanations",
            "Defects that waited for their pictures, by how: came, late (told without)",
            result="two",
        )
        self.contradictions = self._tally(
            "camera_contradictions", "Times that a camera contradicted itself"
        )
        self.repeated_ids = self._tally(
            "repeated_frame_ids", "Frames that bore the id of another frame"
        )
        self.cameras = self._snapshot("watched_cameras", "Cameras that are watched")
        self.silent = self._snapshot("silent_cameras", "Those of which silence was told")
        self.crowded_out = self._tally(
            "crowded_out_cameras", "Camera ids that are not watched for want of room"
        )
        self.notes_failing = self._snapshot(
            "notes_failing", "1 while notifier.folder does not take what is remembered"
        )
        self.delivered = self._tally(
            "delivered_alarms", "Alarms that a channel took", channel=_CHANNEL
        )
        self.failures = self._tally(
            "failed_deliveries", "Times that a channel did not take an alarm", channel=_CHANNEL
        )
        self.given_up = self._tally(
            "given_up_alarms", "Alarms dropped: too many were undelivered", channel=_CHANNEL
        )
        self.refused = self._tally(
            "refused_alarms", "Alarms set aside: the channel refused them", channel=_CHANNEL
        )
        self.unrouted = self._tally("unrouted_alarms", "Alarms that no channel is for")
        self.busy = self._tally(
            "channel_busy_seconds", "Time spent sending to a channel", channel=_CHANNEL
        )
        self.hanging = self._snapshot(
            "hanging_seconds", "Of the oldest try without an answer, 0: none", channel=_CHANNEL
        )
        self.in_memory = self._snapshot(
            "in_memory_alarms", "Waiting alarms that the disk has not taken"
        )
        self.undelivered = self._snapshot(
            "undelivered_alarms", "Alarms that wait for their channel", channel=_CHANNEL
        )
        self.oldest = self._snapshot(
            "oldest_undelivered_seconds",
            "Age of the oldest of them; 0 when there is none",
            channel=_CHANNEL,
        )
        self.ready = self._snapshot("ready", "1 when events are read")
        self.stalled = self._snapshot("since_poll_seconds", "Since events were last asked for")
