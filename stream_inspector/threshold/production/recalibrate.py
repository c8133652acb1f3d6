"""Thresholds anew from scores alone: those that calibrated, and reviewed parts of production.

Without pictures there are no maps: the pixel threshold, and what it promises, stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.calibrate import (
    near_share,
    promise_of_images,
    rank_below,
    rank_for,
    refuse_if_fewer,
)
from stream_inspector.threshold.defects import DefectCheck
from stream_inspector.threshold.order import certified_rate, conformal_rank, images_needed
from stream_inspector.threshold.share import Share
from stream_inspector.threshold.trade_off import Settled, TradeOff, settle

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What may go wrong."""

    false_alarms: float  # share of good parts
    escapes: float | None = None  # share of defective parts; None: not stated
    escapes_decide: bool = False  # where both cannot hold


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Scores that the same weights gave to parts that people judged."""

    audited: Sequence[float] = ()  # good parts of the random sample, alarms among them
    bad: Sequence[float] = ()  # confirmed and missed defects


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """A calibration, and where it comes from."""

    calibration: Calibration
    settled: Settled | None  # None: escapes were not stated, or no defect is known
    audited: int  # scores of the random sample in it
    kept: int  # scores of the calibration of before in it


def recalibrate(old: Calibration, reviewed: Reviewed, accepted: Accepted) -> Recalibrated:
    """Thresholds for other shares, from the good scores of before and the random sample's.

    A sample that can certify the share by itself stands alone: it is of the present production.
    Raises CalibrationRefused when only alarms of the sample were judged, when every good part would
    alarm, or when a strict calibration would have too few scores.
    """
    audited = np.asarray(reviewed.audited, np.float64)
    _refuse_alarms_alone(audited, old.image_threshold)
    budget = replace(old.budget, image_false_reject=accepted.false_alarms)
    needed = images_needed(accepted.false_alarms, budget.confidence)
    kept = np.empty(0) if audited.size >= needed else np.asarray(old.image_scores, np.float64)
    scores = np.sort(np.concatenate([kept, audited]))
    if old.strict:
        refuse_if_fewer(
            scores.size, needed, f"{accepted.false_alarms:.1%} false rejects, strictly,"
        )
    rank = rank_for(scores.size, budget, old.strict)
    settled = _settled(scores, reviewed.bad, float(scores[rank - 1]), accepted, budget.confidence)
    threshold = settled.chosen.threshold if settled else float(scores[rank - 1])
    if threshold < scores[rank - 1]:
        rank = rank_below(scores, threshold)
    near = min(rank, conformal_rank(scores.size, near_share(scores.size, budget)))
    certified = certified_rate(scores.size, rank, budget.confidence)
    made = replace(
        old,
        n_images=scores.size,
        image_threshold=threshold,
        near_miss_threshold=min(threshold, float(scores[near - 1])),
        budget=budget,
        certified_false_reject=certified,
        promise=" ".join(
            [
                promise_of_images(scores.size, rank, certified, budget),
                *_origin(old, audited.size, kept.size),
            ]
        ),
        image_scores=tuple(scores.tolist()),
        folds=old.folds if kept.size else 0,
        images_digest="",
        defects=None,
    )
    check = _check(reviewed.bad, made, accepted)
    made = made.with_defects(check) if check else made.named()
    return Recalibrated(made, settled, audited.size, kept.size)


def _refuse_alarms_alone(audited: Scores, threshold: float) -> None:
    if audited.size and audited.min() > threshold:
        raise CalibrationRefused(
            f"all {audited.size} reviewed parts of the random sample are alarms: with high scores "
            "alone the threshold would only rise; review the sample's passes too"
        )


def _settled(
    scores: Scores, bad: Sequence[float], threshold: float, accepted: Accepted, confidence: float
) -> Settled | None:
    if accepted.escapes is None or not len(bad):
        return None
    return settle(
        TradeOff.of(scores, np.asarray(bad, np.float64), confidence),
        threshold,
        accepted.escapes,
        accepted.false_alarms,
        escapes_decide=accepted.escapes_decide,
    )


def _origin(old: Calibration, audited: int, kept: int) -> list[str]:
    sample = f"{audited} reviewed good parts of production's random sample"
    told = [f"From {sample}." if not kept else f"From the {kept} scores of calibration {old.id}"]
    if kept:
        told[0] += f" and {sample}." if audited else "."
    if kept and old.folds:
        told.append(f"Approximate: those of before are cross-fitted in {old.folds} folds.")
    return [*told, f"The pixel threshold and its promise are those of calibration {old.id}."]


def _check(bad: Sequence[float], made: Calibration, accepted: Accepted) -> DefectCheck | None:
    """What the thresholds do to reviewed defects."""
    passes = [float(score) for score in bad if score <= made.image_threshold]
    share = Share.of_counts(len(passes), len(bad), made.budget.confidence)
    if share is None:
        return None
    return DefectCheck(
        images=len(bad),
        regions=0,
        escape_rate=share,
        near_misses=int(sum(score > made.near_miss_threshold for score in passes)),
        false_rejects=None,
        pro=None,
        region_recall=None,
        curve=(),
        confidence=made.budget.confidence,
        most_escapes=accepted.escapes,
        escapes_decide=accepted.escapes_decide,
    )
