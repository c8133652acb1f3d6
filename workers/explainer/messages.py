"""What became of a verdict's explanation -> the message on the wire."""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.defect import CounterpartCheck, Evidence
from schemas.excerpt import excerpt
from schemas.explanation import Explanation, ExplanationState
from workers.explainer.trace import Traces
from workers.explainer.verdicts import Wanted
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settling.results import Result


@dataclass(frozen=True, slots=True)
class Told:
    """What an explanation says beside its verdict."""

    state: ExplanationState
    evidence: Evidence
    counterpart: CounterpartCheck
    reason: str | None = None
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Sender:
    """Who publishes, and where to."""

    explainer_id: str
    topic: str
    traces: Traces | None = None

    def result(self, wanted: Wanted, told: Told) -> Result:
        """The explanation, and what is to be counted of it."""
        now = datetime.now(UTC)
        message = self._message(wanted, told, now)
        return Result(
            messages=(Outgoing(self.topic, message.encode()),),
            label=told.state.value,
            category=wanted.frame.category,
            camera=wanted.frame.camera_id,
            span=(wanted.decided_at, now),
            settled=self.traces.settled(wanted, told.state, told.took_s) if self.traces else None,
        )

    def _message(self, wanted: Wanted, told: Told, now: datetime) -> Explanation:
        event = wanted.event
        return Explanation(
            outcome_id=event.outcome_id,
            frame=wanted.frame,
            record=event.record,
            run=event.run,
            replayed_from=event.replayed_from,
            worker_id=event.worker_id,
            verdict=wanted.verdict,
            state=told.state,
            reason=None if told.reason is None else excerpt(told.reason, 1000),
            model_version=wanted.version,
            evidence=told.evidence,
            counterpart=told.counterpart,
            verdict_record=wanted.place,
            took_ms=round(max(0.0, told.took_s) * 1000, 3),
            explainer_id=self.explainer_id,
            explained_at=now,
            traceparent=event.traceparent,
        )


def nothing(state: ExplanationState, reason: str) -> Told:
    """No picture at all."""
    short = excerpt(reason)
    check = CounterpartCheck(status="skipped", reason=short)
    return Told(state, Evidence(notes={"evidence": short}), check, reason)
