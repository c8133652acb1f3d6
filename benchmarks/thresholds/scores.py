"""Image scores of real good images: a detector fitted to some, asked about the others.

The pixel network, which only makes counterparts, is trained for one step; what scores is whole.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stream_inspector.detector import Detector
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.image.view.canvas import View
from stream_inspector.presets import (
    FEATURE_DIFFUSION,
    FEATURE_FAST,
    Preset,
    at_size,
    shortened,
)
from stream_inspector.training.cross_fit import cross_fit
from stream_inspector.training.fit import Good, fit_unified
from workers.offline.images.datasets import good_files, test_files
from workers.offline.images.reader import read_images
from workers.offline.images.views import folder_view
from workers.offline.scoring.maps import score_ensemble
from workers.runtime.categories import Category

SELECT_EVERY = 9  # one in so many fitting images normalises, as in training

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scores:
    """Ensemble scores of a category's good images, by what became of them."""

    category: str
    fitted: int
    pool: list[float]  # train/good that fitted nothing, in the order of their names
    test_good: list[float]  # the data set's own good test images
    folds: list[float]  # the fitting images, cross-fitted

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def short_preset(iterations: int) -> Preset:
    """feature-fast without the training of what only explains; with `iterations` the diffusion
    scores beside it.
    """
    preset = FEATURE_DIFFUSION if iterations else FEATURE_FAST
    pixel = replace(preset.pixel, plan=replace(preset.pixel.plan, iterations=1))
    short = preset.feature and shortened(preset, iterations).feature
    return replace(preset, pixel=pixel, feature=short)


def score_category(folder: Path, fit: int, iterations: int, folds: int, say: Say) -> Scores:
    """Fit to `fit` images drawn by their digests, score the rest and the good test images."""
    files, name = good_files(folder), folder.resolve().name
    by_digest = [path for _, path in sorted((d, p) for p, d in files.digests.items())]
    chosen, rest = by_digest[:fit], sorted(by_digest[fit:])
    preset = short_preset(iterations)
    view = folder_view(Category(name), preset, folder, "auto")
    preset = at_size(preset, view.tile)
    model = fit_unified({name: _good(chosen, view)}, preset, 0, lambda _: None)
    detector = Detector(model, engine="torch")
    good = [file.path for file in test_files(folder) if not file.defective]
    say(f"{name}: fitted to {len(chosen)}; scoring {len(rest)} and {len(good)} test images")
    pool, test = (
        score_ensemble(detector, read_images(part, view), name).image_scores.tolist()
        for part in (rest, good)
    )
    crossed = cross_fit(
        TorchScorer(model), read_images(chosen, view), name, folds
    ).image_scores.tolist()
    return Scores(name, len(chosen), pool, test, crossed)


def _good(paths: list[Path], view: View) -> Good:
    images = read_images(paths, view)
    train = [image for index, image in enumerate(images) if index % SELECT_EVERY]
    return Good(train, images[::SELECT_EVERY], view)
