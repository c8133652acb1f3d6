"""Normal counterparts within a stated share of the device's time."""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.defect import CounterpartCheck
from schemas.excerpt import excerpt
from stream_inspector.verdict import Image, Verdict
from workers.runtime.detectors.loaded import Counterpart, LoadedModel


class TimeShare:
    """A token bucket of device seconds: `share` of each second comes in, explanations spend it.

    The account may be overdrawn by one explanation (its price is known only afterwards).
    """

    def __init__(self, share: float, burst_s: float, now: float):
        self._share, self._burst_s = share, burst_s
        self._credit_s, self._at = (burst_s if share > 0 else 0.0), now

    def allows(self, now: float) -> bool:
        """Whether there is credit at `now` (seconds, monotonic)."""
        earned = (now - self._at) * self._share
        self._credit_s, self._at = min(self._burst_s, self._credit_s + earned), now
        return self._credit_s > 0

    def spend(self, seconds: float) -> None:
        """An explanation took so long."""
        self._credit_s -= seconds


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a defect event says of its counterpart, and the picture if there is one."""

    check: CounterpartCheck
    counterpart: Counterpart | None = None


def skipped(reason: str) -> Explanation:
    """No counterpart was made."""
    return Explanation(CounterpartCheck(status="skipped", reason=reason))


class Explainer:
    """Makes counterparts while the share lasts. Used by the inference thread only."""

    def __init__(self, enabled: bool, share: TimeShare, clock: Callable[[], float]):
        self._enabled, self._share, self._clock = enabled, share, clock

    def explain(
        self, model: LoadedModel, image: Image, verdict: Verdict, category: str
    ) -> Explanation:
        """One defect's counterpart, or why there is none."""
        if not self._enabled or model.explain is None:
            return skipped("disabled")
        started = self._clock()
        if not self._share.allows(started):
            return skipped("budget")
        try:
            counterpart = model.explain([image], [verdict], [category])[0]
        except Exception as error:  # the defect is certain; its explanation is a courtesy
            return skipped(excerpt(f"failed: {type(error).__name__}: {error}"))
        finally:
            self._share.spend(self._clock() - started)
        return Explanation(_check(counterpart), counterpart)


def _check(counterpart: Counterpart) -> CounterpartCheck:
    return CounterpartCheck(
        status="convincing" if counterpart.convincing else "not-convincing",
        examiner=counterpart.examiner,
        score_before=counterpart.score_before,
        score_after=counterpart.score_after,
        normal_limit=counterpart.normal_limit,
    )
