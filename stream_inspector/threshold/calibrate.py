"""Held-out good images + a budget -> the thresholds, and in words what they promise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stream_inspector.errors import CalibrationRefused
from stream_inspector.image.appearance import ASPECTS, Appearance
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.order import (
    certified_rank,
    certified_rate,
    conformal_rank,
    images_needed,
)
from stream_inspector.threshold.pixels import (
    Maps,
    Table,
    image_quantiles,
    left_out_rate,
    pixel_table,
    share_above,
    smallest_region,
)

FEWEST_IMAGES = 5  # below this even the largest good score says next to nothing
NEAR_MISS_FACTOR = 3.0  # near misses begin where this many times the budgeted share would alarm
_PROVISIONAL = (
    "Provisional: made of few images, without training a network; add images with `train --more`."
)
_SUSPICIOUS = 0.01  # chance that cross-fitted scores lie so low by accident

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """How cross-fitted scores came about."""

    folds: int
    seen: NDArray[np.bool_]  # [N], whether the networks, which are not refitted, saw the image

    def remembered(self, scores: Scores) -> float | None:
        """The chance of images the networks saw scoring so low by accident (Mann and Whitney)."""
        if self.seen.all() or not self.seen.any():
            return None
        low = stats.mannwhitneyu(scores[self.seen], scores[~self.seen], alternative="less")
        return float(low.pvalue)


def calibrate(
    good_maps: Maps,
    good_image_scores: Scores,
    budget: Budget,
    *,
    member_scores: Mapping[str, Scores] | None = None,
    strict: bool = False,
    cross_fit: CrossFit | None = None,
    images_digest: str = "",
    highest: float | None = None,
    looks: Sequence[Appearance] = (),
    provisional: bool = False,
) -> Calibration:
    """Thresholds from good maps [N, H, W] and image scores [N] that nothing else has used.

    Pixels of -inf are not inspected and count nowhere.

    By default the image threshold is split conformal: on average over calibrations at most the
    budgeted share of good images lies above. `strict` asks that it holds with
    `budget.confidence` for this one, and refuses when N cannot carry that; at most that share of
    good images has more than the budgeted share of its pixels above the pixel threshold, too.

    The image threshold is lowered to `highest`, so that defects do not pass; what it then promises
    is told. Raises CalibrationRefused when every good image would alarm. `looks` [N] of the images
    are kept, to see when later ones look different. The promise of a `provisional` model says so.
    """
    scores = np.sort(np.asarray(good_image_scores, np.float64))
    if strict and cross_fit is not None:
        raise CalibrationRefused(
            "cross-fitted scores certify nothing: leave out --strict, or --folds"
        )
    _check(good_maps, scores, budget, strict)
    image_threshold, rank = _image_threshold(scores, budget, strict, highest)
    certified = certified_rate(scores.size, rank, budget.confidence)
    table, pixel_threshold = _pixels(good_maps, budget, rank, strict)
    rate = _expected_rate(good_maps, budget, pixel_threshold, strict)
    near = min(rank, conformal_rank(scores.size, near_share(scores.size, budget)))
    words = (
        *((_PROVISIONAL,) if provisional else ()),
        promise_of_images(scores.size, rank, certified, budget),
        _of_pixels(rate, certified, budget, strict),
        *_of_folds(cross_fit, np.asarray(good_image_scores)),
    )
    return Calibration(
        id="",
        n_images=scores.size,
        image_threshold=image_threshold,
        pixel_threshold=pixel_threshold,
        near_miss_threshold=float(scores[near - 1]),
        min_area_px=smallest_region(good_maps, pixel_threshold, rank),
        budget=budget,
        certified_false_reject=certified,
        promise=" ".join(words),
        fpr_table=table,
        image_scores=tuple(scores.tolist()),
        member_thresholds=_of_members(member_scores or {}, rank),
        pixel_rate=rate,
        strict=strict,
        folds=cross_fit.folds if cross_fit else 0,
        images_digest=images_digest,
        looks=_ascending(looks),
    ).named()


def _ascending(looks: Sequence[Appearance]) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Each aspect's numbers, with as many digits as say something."""
    every = zip(*(look.values for look in looks), strict=True)
    return tuple(
        (name, tuple(sorted(float(f"{value:.6g}") for value in values)))
        for name, values in zip(ASPECTS, every, strict=False)
    )


def rank_for(n: int, budget: Budget, strict: bool) -> int:
    """Which of the n ascending good scores is the threshold."""
    if budget.image_false_reject is None:
        return n
    if strict:
        return certified_rank(n, budget.image_false_reject, budget.confidence)
    return conformal_rank(n, budget.image_false_reject)


def _image_threshold(
    scores: Scores, budget: Budget, strict: bool, highest: float | None
) -> tuple[float, int]:
    """The threshold, and how many of the ascending good scores do not exceed it at least."""
    rank = rank_for(scores.size, budget, strict)
    threshold = float(scores[rank - 1])
    if highest is None or highest >= threshold:
        return threshold, rank
    return highest, rank_below(scores, highest)


def _of_members(scores: Mapping[str, Scores], rank: int) -> tuple[tuple[str, float], ...]:
    """Each member's threshold alone, by the same rule."""
    return tuple((n, float(np.sort(values)[rank - 1])) for n, values in sorted(scores.items()))


def rank_below(scores: Scores, threshold: float) -> int:
    """How many good scores do not exceed a threshold."""
    rank = int(np.searchsorted(scores, threshold, side="right"))
    if not rank:
        raise CalibrationRefused("every good image would alarm at that threshold")
    return rank


def near_share(n: int, budget: Budget) -> float:
    """The share of good images from which on near misses begin."""
    share = 1 / (n + 1) if budget.image_false_reject is None else budget.image_false_reject
    return min(NEAR_MISS_FACTOR * share, 0.5)


def _pixels(maps: Maps, budget: Budget, rank: int, strict: bool) -> tuple[Table, float]:
    """The table of all rates, and the threshold of the budget's."""
    wanted = budget.pixel_false_positive
    table = pixel_table(maps, set() if wanted is None else {wanted})
    pooled = dict(table)[wanted] if wanted is not None else -np.inf
    if wanted is not None and not strict:
        return table, pooled
    by_image = np.sort(image_quantiles(maps, wanted or 0.0))[rank - 1]
    return table, max(pooled, float(by_image))


def _expected_rate(maps: Maps, budget: Budget, threshold: float, strict: bool) -> float:
    if budget.pixel_false_positive is None or strict:
        return share_above(maps, threshold)
    return left_out_rate(maps, budget.pixel_false_positive)


def promise_of_images(n: int, rank: int, certified: float, budget: Budget) -> str:
    """What a rank of n good scores promises, in a sentence or two."""
    average = 1 - rank / (n + 1)
    certain = f"with {budget.confidence:.0%} confidence at most {certified:.1%}"
    text = f"Of good images on average at most {average:.1%} alarm, {certain} ({n} good images)."
    alpha = budget.image_false_reject
    if alpha is None:
        return f"{text} No share was stated: the threshold is the largest good score."
    if certified <= alpha:
        return text
    more = max(0, images_needed(alpha, budget.confidence) - n)
    advice = f"{more} more good images" if more else "a strict calibration"
    return f"{text} {alpha:.1%} at that confidence needs {advice}."


def _of_pixels(rate: float, certified: float, budget: Budget, strict: bool) -> str:
    wanted = budget.pixel_false_positive
    certain = f"With the same confidence at most {certified:.1%} of good images"
    here = f"here {_percent(rate)} of all good pixels are."
    if wanted is None:
        return f"{certain} show a pixel above the pixel threshold; {here}"
    if strict:
        share = f"more than {_percent(wanted)} of their pixels above the pixel threshold"
        return f"{certain} have {share}; {here}"
    return (
        f"Of good pixels {_percent(wanted)} lie above the pixel threshold here, and "
        f"{_percent(rate)} when each image meets the threshold of the others: expected of new "
        "images, not certified."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"


def _of_folds(cross_fit: CrossFit | None, scores: Scores) -> list[str]:
    if cross_fit is None:
        return []
    remembered = cross_fit.remembered(scores)
    networks = " but by networks that may have" if cross_fit.seen.any() else ""
    text = (
        f"Approximate: cross-fitted in {cross_fit.folds} folds, each image scored by statistics "
        f"that did not see it{networks}; the shares hold as far as the model's own statistics "
        "score new images like those of the folds."
    )
    if remembered is None or remembered >= _SUSPICIOUS:
        return [text]
    return [
        text,
        "Images that trained the networks score lower than the others "
        f"(p = {remembered:.1g}): expect more alarms, or calibrate without folds.",
    ]


def _check(maps: Maps, scores: Scores, budget: Budget, strict: bool) -> None:
    if maps.ndim != 3 or len(maps) != scores.size:
        raise ValueError(f"maps {maps.shape} must be [N, H, W] with N = {scores.size} scores")
    refuse_if_fewer(scores.size, FEWEST_IMAGES, "any threshold")
    if not np.isfinite(scores).all() or not (maps < np.inf).all():
        raise CalibrationRefused("good images have scores that are NaN or infinite; train again")
    if strict and budget.image_false_reject is not None:
        goal = f"{budget.image_false_reject:.1%} false rejects at {budget.confidence:.0%}"
        needed = images_needed(budget.image_false_reject, budget.confidence)
        refuse_if_fewer(scores.size, needed, goal)


def refuse_if_fewer(n: int, needed: int, goal: str) -> None:
    """Raises CalibrationRefused saying how many images are missing."""
    if n < needed:
        raise CalibrationRefused(
            f"{goal} needs {needed} held-out good images, there are {n}: {needed - n} are missing"
        )
