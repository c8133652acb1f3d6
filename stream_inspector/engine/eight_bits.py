"""Whether 8 bits say what single precision says: on good images, and on the same with defects.

`with_eight_bits`, where that is asked for, learns the ranges of good images and stores how far
scores and maps move; `refusal` holds it to the thresholds that the model has now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream_inspector.engine.choice import Choice
from stream_inspector.engine.choose import why_no_graph
from stream_inspector.engine.graph.whole import RANGES, watching_graph
from stream_inspector.engine.graph_scorer import GraphScorer
from stream_inspector.engine.scorer import Scores
from stream_inspector.engine.sessions import SESSIONS, installed
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.model.self_test import TOLERANCE
from stream_inspector.model.version import Model
from stream_inspector.synthetic.overlay import PAINTED, paint_defect
from stream_inspector.verdict import Image

MOST_SHARE = TOLERANCE  # of the way from the median good score to the threshold
_MOST_IMAGES = 24  # that are looked at
_AT_ONCE = 4
_FAR = 1e9  # what is no number on one side: a manifest has none
_SCORE_GAP, _MAP_GAP, _IMAGES = "score_gap", "map_gap", "images"


def with_eight_bits(
    model: Model, category: str, good: Sequence[Image], threads: int | None = None
) -> Model:
    """The model with a category's ranges, and how far 8 bits are from single precision.

    `good`: canvases of good images. The same model where no graph can be written, or no engine is
    installed.
    """
    engine, threads = next(iter(installed()), None), threads or 1
    if engine is None or why_no_graph(model) or not good:
        return model
    name = model.category(category)
    chosen = good[:: -(-len(good) // _MOST_IMAGES)]
    run = SESSIONS[engine](watching_graph(model.preset), threads)
    ends = np.stack([run(tiles)[0] for tiles in _tiles(model.view(name), chosen)])
    ranges = np.stack([ends[..., 0].min(0), ends[..., 1].max(0)], axis=1).astype(np.float32)
    ranged = replace(model, tensors={**model.tensors, f"{name}/{RANGES}": ranges})
    exact, coarse = (
        GraphScorer(ranged, Choice(engine, "", eight_bits), threads, name)
        for eight_bits in (False, True)
    )
    images, label = [*chosen, *painted(chosen)], model.categories.index(name)
    moved = []
    for start in range(0, len(images), _AT_ONCE):  # maps may be large
        some = images[start : start + _AT_ONCE]
        labels = [label] * len(some)
        moved.append(gaps(exact.score(some, labels), coarse.score(some, labels)))
    told = {_SCORE_GAP: max(s for s, _ in moved), _MAP_GAP: max(m for _, m in moved)}
    found = {f"{name}/eight_bits.{key}": value for key, value in told.items()}
    counted = {f"{name}/eight_bits.{_IMAGES}": len(images)}
    return replace(ranged, provenance={**model.provenance, **found, **counted})


def knows_eight_bits(model: Model, category: str) -> bool:
    """Whether the model has a category's ranges: new images or thresholds then renew them."""
    return f"{model.category(category)}/{RANGES}" in model.tensors


def painted(good: Sequence[Image]) -> list[Image]:
    """The images, each with a defect of another kind."""
    return [
        paint_defect(image, PAINTED[number % len(PAINTED)], number)[0]
        for number, image in enumerate(good)
    ]


def gaps(exact: Scores, coarse: Scores) -> tuple[float, float]:
    """The largest difference of image scores, and of maps' pixels (99.9 %); always finite."""
    apart = np.abs(exact.image_scores - coarse.image_scores)
    finite = np.isfinite(exact.maps)
    pixels: NDArray[np.float32] = np.abs(exact.maps[finite] - coarse.maps[finite])
    largest = apart.max(), np.quantile(pixels, 0.999) if pixels.size else 0.0
    one, other = (float(np.nan_to_num(each, nan=_FAR, posinf=_FAR)) for each in largest)
    return one, other


def refusal(model: Model) -> str | None:
    """Why 8 bits may not score the model; None: they may."""
    for name in model.categories:
        why = _refusal(model, name)
        if why:
            return f"{name}: {why}" if len(model.categories) > 1 else why
    return None


def _refusal(model: Model, name: str) -> str | None:
    moved = [model.provenance.get(f"{name}/eight_bits.{key}") for key in (_SCORE_GAP, _MAP_GAP)]
    if f"{name}/{RANGES}" not in model.tensors or None in moved:
        return (
            "it has no ranges of good images: train or calibrate it with "
            "--set trainer.eight_bits=true"
        )
    calibration, test = model.calibrations.get(name), model.self_tests.get(name)
    if calibration is None or test is None:
        return "it is not calibrated"
    wholes = (calibration.image_threshold - test.score, abs(calibration.pixel_threshold))
    for what, gap, whole in zip(("scores", "maps"), moved, wholes, strict=True):
        share = float(gap or 0) / whole if whole > 0 else np.inf
        if not share <= MOST_SHARE:
            return (
                f"8 bits move {what} of good images and painted defects by {share:.1%} of what "
                f"lies between good and the threshold, {MOST_SHARE:.0%} are allowed"
            )
    return None


def _tiles(view: View, images: Sequence[Image]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(images), _AT_ONCE):
        some = [view.prepare(image) for image in images[start : start + _AT_ONCE]]
        yield np.stack(cut(view, some))
