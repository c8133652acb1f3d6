"""Good parts that people looked at because of their score: what they would do, and why they do not.

False alarms are the highest of the good scores. Thresholds from them keep no promise, and rise with
each of them until nothing alarms.
"""

from functools import partial
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.production.audit import threshold_with
from workers.offline.images.reader import read_by_path
from workers.offline.progress import OnWork
from workers.offline.scoring.maps import score_ensemble
from workers.offline.settings import TrainerSettings
from workers.runtime.datasets.reviewed import CHOSEN, REVIEWED
from workers.runtime.host.terminal import text


def score_chosen(
    detector: Detector,
    reviews: Path | None,
    category: str,
    settings: TrainerSettings,
    on_work: OnWork,
) -> list[float]:
    """Their scores; none without reviews."""
    paths = REVIEWED.pictures(reviews, CHOSEN) if reviews else []
    view = detector.model.view(category)
    images = list(read_by_path(paths, view, settings.on_corrupt).values())
    if not images:
        return []
    scored = score_ensemble(detector, images, category, partial(on_work, "reviewed false alarms"))
    found: list[float] = scored.image_scores.tolist()
    return found


def say_chosen(made: Calibration, chosen: list[float], console: Console) -> None:
    """What they would have done to the threshold."""
    if not chosen:
        return
    share = made.budget.image_false_reject
    before = threshold_with(made.image_scores, [], share)
    after = threshold_with(made.image_scores, chosen, share)
    said = (
        f" {len(chosen)} good parts that were looked at because of their score: with them the "
        f"threshold would go from {before:.3g} to {after:.3g}, and promise nothing of others. "
        "Only a random sample may set it (`stream-inspector review ask`)"
    )
    console.print(text(("left out", "yellow"), said), soft_wrap=True)
