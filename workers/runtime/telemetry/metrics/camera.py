"""The camera's metrics: all of them are asked for at a scrape."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table


class CameraMetrics(Table):
    """What a camera process tells."""

    namespace = "camera"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.captured = self._tally("captured_frames", "Frames captured")
        self.sent = self._tally("sent_frames", "Frames that the broker has")
        self.sent_bytes = self._tally("sent_bytes", "Bytes of their pictures")
        self.failures = self._tally("failed_sends", "Times that the broker did not take a batch")
        self.dropped = self._tally("dropped_frames", "Frames lost to a full spool")
        self.refused = self._tally("refused_frames", "Files and frames that could not be sent")
        self.missed = self._tally(
            "missed_parts",
            "Parts of which there is no picture: a gap in the device's count, an incomplete "
            "buffer, a trigger that took none, it was away, or a watched file that was refused",
            reason="five",
        )
        self.unidentified = self._tally(
            "unidentified_parts", "Times that who a part is could not be read, or not wholly"
        )
        self.waiting = self._snapshot("waiting_frames", "Frames that the broker does not have yet")
        self.waiting_bytes = self._snapshot("waiting_bytes", "Memory that they hold")
        self.unanswered = self._snapshot(
            "unanswered_seconds", "For how long the broker has not answered; 0 when it has"
        )
        self.device_ahead = self._snapshot(
            "device_clock_ahead_seconds",
            "By how much the device's time of day is ahead of this machine's; NaN: it has none",
        )
        self.device_ptp = self._snapshot(
            "device_clock_synchronised", "1 while the device says that it follows PTP; NaN: unsaid"
        )
        self.transfer = self._snapshot(
            "transfer_seconds", "From the exposure of the newest picture until it was here"
        )
        self.ready = self._snapshot("ready", "1 while the broker takes frames")
