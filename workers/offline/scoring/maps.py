"""A detector on a whole test set: every member's maps and image scores, and the report card."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from stream_inspector.detector import Detector, Scores
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.model.version import Model
from stream_inspector.score.names import has_feature_error, members
from stream_inspector.verdict import Image, ScoreMap
from workers.offline.scoring.ranking import (
    LARGE,
    Evaluation,
    ImageScores,
    Maps,
    Truth,
    operating_point,
    rank,
)

ENSEMBLE, DIFFUSION = "ensemble", "kl+features"  # with and without the Mahalanobis distance
BATCH = 8

OnScored = Callable[[int, int], None]  # images scored, of how many


@dataclass(frozen=True, slots=True)
class Scored:
    """All scores of a set of images: of the ensembles and of each member."""

    maps: dict[str, Maps]  # each [N, H, W] at the input size
    image_scores: dict[str, ImageScores]
    ms_per_image: float


def score_all(
    detector: Detector,
    images: Sequence[Image],
    category: str | None = None,
    on_scored: OnScored = lambda *_: None,
) -> Scored:
    """Score images in batches. Times the detector alone, after one batch to warm up."""
    named = None if category is None else [category]
    detector.score(images[:1], named)
    maps, scores, seconds = dict[str, Maps](), dict[str, ImageScores](), 0.0
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        start = time.perf_counter()
        part = detector.score(batch, named and named * len(batch))
        seconds += time.perf_counter() - start
        rows = slice(first, first + len(batch))
        _keep(maps, len(images), rows, {ENSEMBLE: part.maps, **part.members})
        _keep(scores, len(images), rows, {ENSEMBLE: part.image_scores, **part.member_image_scores})
        on_scored(first + len(batch), len(images))
    if detector.preset.trained and has_feature_error(
        detector.preset
    ):  # else KL is all that the diffusion says
        weights = {name: w for name, w in detector.preset.weights if name in DIFFUSION.split("+")}
        maps[DIFFUSION], scores[DIFFUSION] = _weighted(maps, weights), _weighted(scores, weights)
    return Scored(maps, scores, 1000 * seconds / len(images))


def score_ensemble(
    detector: Detector,
    images: Sequence[Image],
    category: str,
    on_scored: OnScored = lambda *_: None,
) -> Scores:
    """The ensemble's maps and all image scores of images: the members' maps are not kept."""
    height, width = detector.model.view(category).canvas
    maps = np.empty((len(images), height, width), np.float32)
    scores = dict[str, ImageScores]()
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        part = detector.score(batch, [category] * len(batch))
        rows = slice(first, first + len(batch))
        maps[rows] = part.maps
        _keep(scores, len(images), rows, {ENSEMBLE: part.image_scores, **part.member_image_scores})
        on_scored(first + len(batch), len(images))
    image_scores = scores.pop(ENSEMBLE, np.empty(0))
    nothing = dict.fromkeys(members(detector.preset), np.empty(0))
    return Scores(maps, image_scores, {}, scores or nothing)


def report_card(
    model: Model, engine: str, category: str, scored: Scored, truth: Truth
) -> Evaluation:
    """The figures of one category, at the resolution of the truth's masks."""
    calibration, areas = model.calibrations.get(model.category(category)), truth.region_areas()
    size = next((mask.shape for mask in truth.masks if mask is not None), scored_size(scored))
    resolution = (int(size[0]), int(size[1]))
    return Evaluation(
        category=category,
        model_version=model.version,
        calibration_id=calibration.id if calibration else None,
        engine=engine,
        resolution=resolution,
        n_good=int((~truth.defective).sum()),
        n_defective=int(truth.defective.sum()),
        n_masks=sum(bool(mask.any()) for mask in truth.masks if mask is not None),
        n_regions=len(areas),
        n_large_regions=int((areas >= LARGE).sum()),
        members={
            name: rank(resized(maps, resolution), scored.image_scores[name], truth)
            for name, maps in scored.maps.items()
        },
        at_threshold=operating_point(
            scored.image_scores[ENSEMBLE],
            truth.defective,
            calibration.image_threshold,
            calibration.near_miss_threshold,
        )
        if calibration
        else None,
        ms_per_image=scored.ms_per_image,
    )


def resized(maps: Maps, size: Size) -> Maps:
    """Maps [N, H, W] at another size (height, width), bilinear."""
    if maps.shape[1:] == size:
        return maps
    return np.stack([enlarged(each, size) for each in maps])


def enlarged(score_map: ScoreMap, size: Size) -> ScoreMap:
    """One map [H, W] at another size (height, width), bilinear; -inf where it is nearest.

    What is -inf gives nothing to its neighbours.
    """
    seen = np.isfinite(score_map)
    large = _bilinear(np.where(seen, score_map, 0), size)
    if seen.all():
        return large
    share = np.maximum(_bilinear(seen, size), 1e-6)
    nearest = Pillow.fromarray(seen).resize(size[::-1], Pillow.Resampling.NEAREST)
    return np.where(np.asarray(nearest), large / share, np.float32(-np.inf))


def _bilinear(values: NDArray[Any], size: Size) -> NDArray[np.float32]:
    picture = Pillow.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize(size[::-1], Pillow.Resampling.BILINEAR))


def in_frame(score_map: ScoreMap, view: View, frame: tuple[int, int]) -> ScoreMap:
    """A canvas's map in its place in a frame (width, height): [h, w], finite everywhere.

    Evaluators of others know no -inf: what is not inspected gets the map's smallest score.
    """
    left, top, right, bottom = (round(side) for side in view.crop(frame))
    full = np.full(frame[::-1], -np.inf, np.float32)
    full[top:bottom, left:right] = enlarged(score_map[view.inside], (bottom - top, right - left))
    return np.where(np.isfinite(full), full, score_map[np.isfinite(score_map)].min())


def scored_size(scored: Scored) -> Size:
    """(height, width) of the maps."""
    height, width = scored.maps[ENSEMBLE].shape[1:]
    return height, width


def _keep(
    kept: dict[str, NDArray[Any]], count: int, rows: slice, found: Mapping[str, NDArray[Any]]
) -> None:
    """Put a batch into its place: joining the batches at the end would hold all maps twice."""
    for name, values in found.items():
        if name not in kept:
            kept[name] = np.empty((count, *values.shape[1:]), values.dtype)
        kept[name][rows] = values


def _weighted(members: Mapping[str, NDArray[Any]], weights: Mapping[str, float]) -> NDArray[Any]:
    total = sum(weights.values())
    return reduce(np.add, [members[name] * (w / total) for name, w in weights.items()])
