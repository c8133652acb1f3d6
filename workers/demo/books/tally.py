"""What was sent against what came out, frame by frame. Pure; trusts no worker's own counters.

lost = sent, no outcome; repeated = an outcome id read again; duplicated = two ids or two different
outcomes for one frame.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workers.demo.books.lines import Observed, SentFrame


@dataclass(frozen=True, slots=True)
class Tally:
    """The books of a run. Frame ids are in the order they were sent or first seen."""

    sent: int
    inspected: int
    defective: int
    near_misses: int
    rejected: int
    lost: tuple[str, ...]
    repeated: int
    duplicated: tuple[str, ...]
    unknown: int  # outcomes of frames that nobody sent
    outcomes: Mapping[str, Observed]  # frame id -> its first outcome

    @property
    def settled(self) -> bool:
        """Every frame that was sent has an outcome."""
        return not self.lost

    @property
    def sound(self) -> bool:
        """Nothing lost, nothing decided twice."""
        return not self.lost and not self.duplicated


def tally(sent: Iterable[SentFrame], outcomes: Iterable[Observed], tolerance: float = 0.0) -> Tally:
    """Compare. Two scores within `tolerance` are the same: batch size alone moves them a little."""
    ids = dict.fromkeys(frame.frame_id for frame in sent)
    seen = _by_frame(outcomes)
    known = {frame_id: found for frame_id, found in seen.items() if frame_id in ids}
    first = {frame_id: found[0] for frame_id, found in known.items()}
    return Tally(
        sent=len(ids),
        inspected=sum(outcome.rejected is None for outcome in first.values()),
        defective=sum(outcome.verdict == "defect" for outcome in first.values()),
        near_misses=sum(outcome.verdict == "near_miss" for outcome in first.values()),
        rejected=sum(outcome.rejected is not None for outcome in first.values()),
        lost=tuple(frame_id for frame_id in ids if frame_id not in known),
        repeated=sum(len(found) - len({o.outcome_id for o in found}) for found in known.values()),
        duplicated=tuple(frame for frame, found in known.items() if _differ(found, tolerance)),
        unknown=sum(len(found) for frame_id, found in seen.items() if frame_id not in ids),
        outcomes=first,
    )


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _by_frame(outcomes: Iterable[Observed]) -> dict[str, list[Observed]]:
    found: dict[str, list[Observed]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.frame_id or f"?{outcome.outcome_id}", []).append(outcome)
    return found


def _differ(found: list[Observed], tolerance: float) -> bool:
    first = found[0]
    return any(
        other.outcome_id != first.outcome_id
        or (other.verdict, other.rejected) != (first.verdict, first.rejected)
        or _apart(other.score, first.score, tolerance)
        for other in found[1:]
    )


def _apart(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > tolerance
