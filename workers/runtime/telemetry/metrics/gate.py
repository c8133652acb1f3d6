"""The gate's metrics: all but one are asked for at a scrape, the loop only counts."""

from prometheus_client import CollectorRegistry

from workers.runtime.telemetry.metrics.table import Table

_CHANNEL = "configured channels"

# Seconds from capture until the plant has the answer: lines move by tens of milliseconds.
ANSWER_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)


class GateMetrics(Table):
    """What a gate tells."""

    namespace = "gate"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.answers = self._tally(
            "answers", "Parts answered: pass, reject, not-inspected", decision="three"
        )
        self.lost = self._tally("lost_parts", "Of those not inspected: their number is missing")
        self.late = self._tally("late_answers", "Answers that were made after the deadline")
        self.late_verdicts = self._tally(
            "late_verdicts",
            "Verdicts that came when the part was answered: pass, near_miss, defect",
            verdict="three",
        )
        self.repeated = self._tally("repeated_events", "Frames and outcomes that were known")
        self.unreadable = self._tally("unreadable_records", "Records that tell of no part")
        self.jumps = self._tally("number_jumps", "Jumps in part numbers beyond gate.max_gap")
        self.clock_ahead = self._tally(
            "clock_ahead_parts", "Parts that their camera's clock dates after the gate's own"
        )
        self.strangers = self._tally(
            "unjoined_frames",
            "Frames without a part id, which gate.join cannot put to a part",
            camera="gate.cameras",
        )
        self.waiting = self._snapshot("waiting_parts", "Parts without an answer")
        self.sent = self._tally("sent_answers", "Answers that a channel took", channel=_CHANNEL)
        self.overdue = self._tally(
            "overdue_answers", "Of these, taken after the deadline", channel=_CHANNEL
        )
        self.given_up = self._tally(
            "given_up_answers", "Answers that a channel never had", channel=_CHANNEL
        )
        self.failures = self._tally(
            "failed_channels", "Times that a channel had to be connected anew", channel=_CHANNEL
        )
        self.channel_up = self._snapshot(
            "channel_up", "1 while a channel takes answers", channel=_CHANNEL
        )
        self.unsent = self._snapshot(
            "unsent_answers", "Answers that wait for their channel", channel=_CHANNEL
        )
        self.seconds = self._histogram(
            "answer_seconds",
            "From capture until the plant has the answer; two clocks",
            ANSWER_S,
            channel=_CHANNEL,
        )
        self.journal_failing = self._snapshot(
            "journal_failing", "1 while gate.folder does not take what was answered"
        )
        self.ready = self._snapshot("ready", "1 while parts and outcomes are read")
