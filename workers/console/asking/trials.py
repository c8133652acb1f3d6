"""A version on trial beside the active one, from what both said since it began."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import Connection, func, select

from stream_inspector.threshold.production.versions import (
    Both,
    Compared,
    compare_counts,
    compare_shares,
)
from workers.console.history.fitting import milliseconds
from workers.console.history.tables import outcomes, shadows, words
from workers.runtime.registry.registry import Activation
from workers.runtime.registry.trial import Mode, Trial

_DEFECT = outcomes.c.verdict == "defect"
_INSPECTED = outcomes.c.verdict != "rejected"


def compare_trial(
    connection: Connection, category: str, last: Activation, trial: Trial, confidence: float
) -> Compared:
    """As `stream-inspector model compare`, as far as the history goes back."""
    since_ms = milliseconds(datetime.fromisoformat(last.at))
    if trial.mode is Mode.SHADOW:
        counts = _pairs(connection, category, last.version, trial.version, since_ms)
        return compare_counts(counts, confidence)
    shares = _shares(connection, category, last.version, trial, since_ms)
    return compare_shares(shares[last.version], shares[trial.version], confidence)


def _pairs(
    connection: Connection, category: str, old: str, new: str, since_ms: int
) -> Mapping[Both, int]:
    joined = shadows.join(outcomes, outcomes.c.part == shadows.c.part).outerjoin(
        words, words.c.part == shadows.c.part
    )
    kinds = (outcomes.c.verdict, shadows.c.alarms, words.c.judgement)
    found = (
        select(*kinds, func.count())
        .select_from(joined)
        .where(
            shadows.c.category == category,
            shadows.c.model_version == new,
            shadows.c.decided_ms >= since_ms,
            outcomes.c.model_version == old,
            _INSPECTED,
        )
        .group_by(*kinds)
    )
    counts: dict[Both, int] = defaultdict(int)
    for verdict, alarms, judgement, number in connection.execute(found):
        alarmed = verdict == "defect"
        both = Both(alarmed, bool(alarms), _good(alarmed, judgement))
        counts[both] += number
    return counts


def _good(alarmed: bool, judgement: str | None) -> bool | None:
    """Whether the part is, as the last word on it says; None: it does not say."""
    said = {"false-alarm": True, "missed": False, "right": not alarmed}
    return said.get(judgement or "")


def _shares(
    connection: Connection, category: str, old: str, trial: Trial, since_ms: int
) -> Mapping[str, tuple[int, int]]:
    """Version -> alarms and frames. A canary on a part of some cameras: only their frames count."""
    kinds = (outcomes.c.model_version, outcomes.c.camera)
    found = (
        select(*kinds, func.count(), func.count().filter(_DEFECT))
        .where(
            outcomes.c.category == category,
            outcomes.c.decided_ms >= since_ms,
            outcomes.c.model_version.in_([old, trial.version]),
            _INSPECTED,
        )
        .group_by(*kinds)
    )
    patterns = trial.cameras if trial.share < 1 else ()
    counts = {old: (0, 0), trial.version: (0, 0)}
    for version, camera, frames, alarms in connection.execute(found):
        if not patterns or any(fnmatchcase(camera, each) for each in patterns):
            known = counts[version]
            counts[version] = (known[0] + alarms, known[1] + frames)
    return counts
