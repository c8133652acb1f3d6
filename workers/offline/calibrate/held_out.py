"""Good images that may set a model's thresholds, and their scores.

Nothing else may have used them: a file that trained or normalised the model is refused, wherever
it lies and whatever it is called, and a copy counts once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import DataError
from stream_inspector.model.assembly import for_category
from stream_inspector.model.version import Model
from stream_inspector.threshold.calibrate import FEWEST_IMAGES, CrossFit
from stream_inspector.training.cross_fit import cross_fit, folds_for
from stream_inspector.verdict import Image
from workers.offline.fit import SEEN, short_digests, source_key
from workers.offline.images.datasets import (
    LEAST_GOOD,
    GoodFiles,
    all_good,
    file_digest,
    good_files,
)
from workers.offline.images.reader import check_good, read_by_path
from workers.offline.progress import OnWork
from workers.offline.scoring.maps import score_ensemble
from workers.offline.settings import TrainerSettings
from workers.runtime.host.terminal import text


@dataclass(frozen=True)
class HeldOut:
    """Good images [H, W, 3], the first `folded` of which are to be cross-fitted."""

    images: list[Image]
    paths: list[Path]
    folded: int = 0
    seen: int = 0  # of the first: trained the networks
    folds: int = 0  # that those are cross-fitted in


@dataclass(frozen=True)
class GoodScores:
    """Their scores."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    member_scores: dict[str, NDArray[np.float64]]
    cross_fit: CrossFit | None = None


def read_held_out(
    model: Model,
    category: str,
    settings: TrainerSettings,
    console: Console,
    *,
    data: Path | None,
    good: Path | None,
    folds: int,
    on_work: OnWork = lambda *_: None,
) -> HeldOut:
    """The calibrate part of `data`, or all of it to cross-fit, and the images of `good`.

    All of it is cross-fitted when `folds` asks for that, or when the model was fitted to all of it.
    Raises DataError when `data` is another folder than the model's, or `good` has images of it.
    """
    paths, seen = list[Path](), 0
    if data is not None:
        files = _own_files(model, category, data, settings, console)
        if not folds and _knows(model, category, files):
            folds = folds_for(len(files.train) + len(files.select) + len(files.calibrate))
        if folds:
            paths, seen = [*files.train, *files.select], len(files.train)
            seen = 0 if model.provisional else seen  # by networks: it has none
        paths += files.calibrate
    folded = len(paths) if folds else 0
    if good is not None:
        further = _digests(all_good(good, settings.layout), _leaves(settings, console))
        paths += _further(model, category, further, good, paths)
    done = count(1)
    images = read_by_path(
        paths,
        model.view(category),
        "fail" if folds else settings.on_corrupt,  # a gap would shift who saw what
        lambda said: console.print(text(("left out", "yellow"), f" {said}")),
        lambda: on_work("reading", next(done), len(paths)),
    )
    check_good(list(images.values()), str(good or data))
    return HeldOut(list(images.values()), list(images), folded, seen, folds)


def _leaves(settings: TrainerSettings, console: Console) -> Callable[[DataError], None] | None:
    if settings.on_corrupt == "fail":
        return None
    return lambda error: console.print(text(("left out", "yellow"), f" {error}"))


def score_good(detector: Detector, held: HeldOut, category: str, on_work: OnWork) -> GoodScores:
    """Score them with fixed noise: by the model's own statistics, or by those of folds."""
    plain = held.images[held.folded :]
    scored = [score_ensemble(detector, plain, category, partial(on_work, "good images"))]
    if not held.folds:
        return GoodScores(scored[0].maps, scored[0].image_scores, scored[0].member_image_scores)
    first = held.images[: held.folded]
    seen = np.arange(len(held.images)) < held.seen
    fitted = cross_fit(
        TorchScorer(detector.model, detector.device),
        first,
        category,
        held.folds,
        partial(on_work, "cross-fitting"),
        seen=seen[: held.folded],
        on_fold=partial(on_work, "folds"),
    )
    rest = scored[0]
    return GoodScores(
        np.concatenate([fitted.maps, rest.maps]),
        np.concatenate([fitted.image_scores, rest.image_scores]),
        {
            name: np.concatenate([values, rest.member_image_scores[name]])
            for name, values in fitted.member_image_scores.items()
        },
        CrossFit(held.folds, seen),
    )


def _own_files(
    model: Model, category: str, data: Path, settings: TrainerSettings, console: Console
) -> GoodFiles:
    least = FEWEST_IMAGES if model.provisional else LEAST_GOOD
    files = good_files(data, least, settings.layout, _leaves(settings, console))
    if files.digest != model.provenance.get(source_key(category)):
        raise DataError(
            f"{data}: is not, or no longer, what this model was trained on; put images that it "
            "has not seen into a folder of their own and give that as --good"
        )
    return files


def _knows(model: Model, category: str, files: GoodFiles) -> bool:
    """Whether the model was fitted to the calibrate part as well."""
    tensors = for_category(category, model.tensors)
    if SEEN not in tensors or not files.calibrate:
        return False
    digests = short_digests(files.digests[path] for path in files.calibrate)
    return bool(np.isin(digests.numpy(), tensors[SEEN]).any())


def digests_seen(model: Model, category: str) -> set[int]:
    """Of the files that the model was fitted to, as `short_digests` makes them."""
    tensors = for_category(category, model.tensors)
    return set(tensors[SEEN].tolist()) if SEEN in tensors else set()


def _digests(paths: Sequence[Path], leave: Callable[[DataError], None] | None) -> dict[Path, str]:
    found = dict[Path, str]()
    for path in paths:
        try:
            found[path] = file_digest(path)
        except DataError as error:
            if leave is None:
                raise
            leave(error)
    return found


def _further(
    model: Model,
    category: str,
    digests: Mapping[Path, str],
    folder: Path,
    known: Sequence[Path],
) -> list[Path]:
    """Each different image once. Raises DataError for those that made the model."""
    once = {digest: path for path, digest in digests.items()}
    for path in known:
        once.pop(file_digest(path), None)
    seen = digests_seen(model, category)
    used = [p for d, p in once.items() if int(short_digests([d])[0]) in seen]
    if used:
        raise DataError(
            f"{folder}: {len(used)} of these images trained or normalised the model, for instance "
            f"{used[0].name}; thresholds need images that it has not seen"
        )
    return list(once.values())
