"""Our detector and other methods on the same images, features, blur and metrics, in one run."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from stream_inspector.baselines import METHODS, Method
from stream_inspector.baselines.method import Fitted
from stream_inspector.baselines.training import Training
from stream_inspector.detector import Detector
from stream_inspector.features import to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import merge
from stream_inspector.model.assembly import unpack_features
from stream_inspector.model.version import save_model
from stream_inspector.presets import Preset
from stream_inspector.score.ensemble import enlarge, image_scores
from stream_inspector.training.fit import MAX_IMAGES
from stream_inspector.verdict import Image
from workers.offline.compare.budget import Budget, Effort
from workers.offline.compare.library import library_method
from workers.offline.progress import OnWork
from workers.offline.scoring.maps import BATCH, ENSEMBLE, OnScored, score_all
from workers.offline.scoring.ranking import ImageScores, Maps, Ranking, Truth, mean_rankings, rank

OURS = "ours"
ALL = (OURS, *METHODS)
_MIB = 1 << 20

OnFitted = Callable[[str, Fitted], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one category, or the mean of several."""

    category: str
    method: str
    ranking: Ranking
    fit_seconds: float | None  # None: the model was trained before
    ms_per_image: float
    megabytes: float  # what is kept beside the feature network, which all share
    iterations: int | None = None  # that it was trained for; None: it learns nothing, or ours


@dataclass(frozen=True)
class Images:
    """A category's canvases; `good` are those a method may learn from."""

    category: str
    good: Sequence[Image]
    test: Sequence[Image]
    truth: Truth


def compare_methods(
    images: Images,
    detector: Detector,
    fit_seconds: float | None,
    methods: Sequence[str],
    *,
    seed: int,
    given: Effort,
    on_work: OnWork,
    on_fitted: OnFitted = lambda *_: None,
) -> Iterator[Row]:
    """One row a method, in the order given. `on_work` hears of each that is done, and `on_fitted`
    is given each once it has learned.
    """
    others = [name for name in methods if name != OURS]
    if OURS in methods:
        yield _our_row(images, detector, fit_seconds, partial(on_work, f"{images.category}: ours"))
    if not others:
        return
    given = given.of(fit_seconds)
    view = detector.model.view(_known(detector, images.category))
    material = _Material(images, detector, view, seed)
    for name in others:
        said = partial(on_work, f"{images.category}: {name}")
        yield _row(name, material, given, said, on_fitted)


def named(name: str) -> Method:
    """A method by its name: one of ours, or one of the library's."""
    return METHODS.get(name) or library_method(name)


def means(rows: Sequence[Row]) -> list[Row]:
    """The mean over categories of each method."""
    by_method: dict[str, list[Row]] = {row.method: [] for row in rows}
    for row in rows:
        by_method[row.method].append(row)
    return [_mean(method, each) for method, each in by_method.items()]


def _our_row(
    images: Images, detector: Detector, fit_seconds: float | None, on_scored: OnScored
) -> Row:
    name = _known(detector, images.category)
    scored = score_all(detector, images.test, name, on_scored)
    return Row(
        images.category,
        OURS,
        rank(scored.maps[ENSEMBLE], scored.image_scores[ENSEMBLE], images.truth),
        fit_seconds,
        scored.ms_per_image,
        len(save_model(detector.model).tensors) / _MIB,
    )


class _Material:
    """What methods learn from and what they are judged on, made when the first one asks."""

    def __init__(self, images: Images, detector: Detector, view: View, seed: int) -> None:
        self.images, self.detector, self.view, self.seed = images, detector, view, seed
        self._good = _at_most(images.good, seed)

    @cached_property
    def features(self) -> tuple[tuple[Tensor, float], tuple[Tensor, float]]:
        """Features of good and of test images, each with the seconds that they took."""
        made = partial(_features, self.detector, self.view)
        return made(self._good), made(self.images.test)

    @cached_property
    def pixels(self) -> tuple[tuple[Tensor, float], tuple[Tensor, float]]:
        """Canvases of good and of test images, uint8 [N, 3, H, W]; they cost nothing."""
        return (_pixels(self.view, self._good), 0.0), (_pixels(self.view, self.images.test), 0.0)


def _row(name: str, material: _Material, given: Effort, said: OnScored, on_fitted: OnFitted) -> Row:
    """Fit one method, score the test images, rank."""
    method, images = named(name), material.images
    (good, spent), (test, test_spent) = material.pixels if method.pixels else material.features
    budget = Budget(given, method.iterations, said)
    start = time.perf_counter()
    fitted = method.fit(
        good, Training(material.seed, budget, torch.device(material.detector.device))
    )
    seconds = spent + time.perf_counter() - start
    on_fitted(name, fitted)
    start = time.perf_counter()
    maps, scores = _score(fitted, test, material.detector.preset, material.view, said)
    scoring = test_spent + time.perf_counter() - start
    return Row(
        images.category,
        name,
        rank(maps, scores, images.truth),
        seconds,
        1000 * scoring / len(test),
        fitted.nbytes / _MIB,
        budget.done if method.iterations else None,
    )


def _pixels(view: View, images: Sequence[Image]) -> Tensor:
    canvases = np.stack([view.prepare(image) for image in images])
    return torch.from_numpy(canvases).permute(0, 3, 1, 2)


def _known(detector: Detector, category: str) -> str:
    """What the model calls the category: by its name, or the only one it knows."""
    known = detector.model.categories
    return detector.model.category(category if category in known else None)


def _features(detector: Detector, view: View, images: Sequence[Image]) -> tuple[Tensor, float]:
    """Frozen features of canvases [N, C, h, w] of the detector's backbone, and the seconds."""
    net = unpack_features(detector.preset, detector.model.tensors).to(detector.device)
    start = time.perf_counter()
    tiles = (cut(view, [view.prepare(image) for image in chunk]) for chunk in _chunks(images))
    with torch.inference_mode():
        chunks = [merge(view, net(to_tensor(c).to(detector.device))).cpu() for c in tiles]
    return torch.cat(chunks), time.perf_counter() - start


def _score(
    fitted: Fitted, features: Tensor, preset: Preset, view: View, on_scored: OnScored
) -> tuple[Maps, ImageScores]:
    """Maps of the canvas, blurred as ours are, and image scores."""
    maps, scores = list[Tensor](), list[Tensor]()
    valid = torch.tensor(view.valid)
    with torch.inference_mode():
        for chunk in torch.split(features, BATCH):
            small, own = fitted.score(chunk)
            maps.append(enlarge(small, view.canvas, preset.smoothing))
            seen = maps[-1][:, valid]
            scores.append(image_scores(seen, preset.top_pixels) if own is None else own)
            on_scored(sum(map(len, maps)), len(features))
    return view.masked(torch.cat(maps).numpy()), torch.cat(scores).double().numpy()


def _at_most(images: Sequence[Image], seed: int) -> Sequence[Image]:
    """As many good images as training takes, drawn at random."""
    if len(images) <= MAX_IMAGES:
        return images
    picked = np.random.default_rng(seed).permutation(len(images))[:MAX_IMAGES]
    return [images[int(i)] for i in picked]


def _chunks(images: Sequence[Image]) -> Iterator[Sequence[Image]]:
    return (images[i : i + BATCH] for i in range(0, len(images), BATCH))


def _mean(method: str, rows: Sequence[Row]) -> Row:
    fits = [row.fit_seconds for row in rows if row.fit_seconds is not None]
    return Row(
        "mean",
        method,
        mean_rankings({method: row.ranking} for row in rows)[method],
        fmean(fits) if len(fits) == len(rows) else None,
        fmean(row.ms_per_image for row in rows),
        fmean(row.megabytes for row in rows),
        rows[0].iterations and round(fmean(row.iterations or 0 for row in rows)),
    )
