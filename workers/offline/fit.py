"""Good images of one category, or of several -> a calibrated model version.

The good images come from a folder or from the synthetic renderer; the rest is the same.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.review import Review
from stream_inspector.detector import Detector
from stream_inspector.engine.eight_bits import with_eight_bits
from stream_inspector.errors import CalibrationRefused
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.pictures import encode_png
from stream_inspector.image.view.canvas import View
from stream_inspector.model.assembly import of_category
from stream_inspector.model.version import Model
from stream_inspector.presets import Preset, at_size
from stream_inspector.synthetic import DEFAULT_SIZE, render
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.cross_fit import FoldScores
from stream_inspector.training.fit import Good, calibrate, calibrate_cross_fitted, fit_unified
from stream_inspector.training.networks import Checkpoints, Execution
from stream_inspector.training.progress import OnProgress
from stream_inspector.training.start import Start
from stream_inspector.verdict import Image
from workers.offline.images.datasets import good_files, split
from workers.offline.images.reader import OnCorrupt, check_good, read_images
from workers.runtime.categories import view_key
from workers.runtime.datasets.reviewed import lineage

# Far from the numbers a camera counts up from: it must not show a frame the model was trained on.
_FIRST_TRAINING_FRAME = 1_000_000
SEEN = "seen"  # a category's tensor: digests of the files that it was fitted to
FEWEST = 24  # good images: below, fewer than the 3 that normalisation needs are held out for it


@dataclass(frozen=True, slots=True)
class GoodImages:
    """Decoded good images in their three parts, with the digest of what they were read from."""

    train: list[Image]
    select: list[Image]
    calibrate: list[Image]
    digest: str
    view: View  # whose canvases they are
    view_settings: str | None = None  # fingerprint of what the category's file says of it
    seen: tuple[str, ...] = ()  # digests of the files that train and select
    held: tuple[str, ...] = ()  # and calibrate

    def __len__(self) -> int:
        return len(self.train) + len(self.select) + len(self.calibrate)

    def as_good(self, *, held: bool) -> Good:
        """All of them to be fitted to; the calibrate part not when it is `held` out."""
        return Good(self.train, self.select, self.view, () if held else self.calibrate)


@dataclass(frozen=True, slots=True)
class GoodScores:
    """A category's good images and their scores by statistics that have not seen them."""

    images: Sequence[Image]
    scores: FoldScores
    seen: int  # of the first: trained the networks


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model without thresholds, and what sets them."""

    model: Model
    scores: Mapping[str, GoodScores]  # by category


def load_good(
    folder: Path,
    view: View,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
    layout: str = "auto",
    *,
    on_read: Callable[[int, int], None] = lambda _done, _of: None,
) -> GoodImages:
    """Read a category's good images. Raises DataError or TooFewImages; never opens `test/`."""
    leave = (lambda error: on_skip(str(error))) if on_corrupt == "skip" else None
    files = good_files(folder, FEWEST, layout, leave)
    parts = (files.train, files.select, files.calibrate)
    done = count(1)

    def read() -> None:
        on_read(next(done), len(files.digests))

    train, select, held = (read_images(part, view, on_corrupt, on_skip, read) for part in parts)
    check_good([*train, *select, *held], str(folder))
    seen = tuple(files.digests[path] for path in (*files.train, *files.select))
    rest = tuple(files.digests[path] for path in files.calibrate)
    return GoodImages(train, select, held, files.digest, view, seen=seen, held=rest)


def synthetic_good(count: int, seed: int, view: View) -> GoodImages:
    """Good frames of the synthetic product, through the same encoder and decoder as a camera's."""
    numbers = split(range(_FIRST_TRAINING_FRAME, _FIRST_TRAINING_FRAME + count))
    train, select, held = ([_synthetic(n, seed, view) for n in part] for part in numbers)
    return GoodImages(train, select, held, f"synthetic-{count}-{seed}", view)


def fit_model(
    good: Mapping[str, GoodImages],
    preset: Preset,
    *,
    seed: int,
    on_progress: OnProgress,
    iterations: int | None = None,
    checkpoints: Checkpoints | None = None,
    execution: Execution | None = None,
    strict: Collection[str] = (),
    start: Start | None = None,
) -> Fitted:
    """Fit one model on its categories' good images, whose tiles are alike.

    Those in `strict` keep their calibrate part for thresholds that can be certified.
    """
    scores: dict[str, GoodScores] = {}

    def keep(name: str, used: Good, found: FoldScores) -> None:
        scores[name] = GoodScores(used.everything, found, len(used.train))

    tile = next(iter(good.values())).view.tile
    fitted = fit_unified(
        {name: images.as_good(held=name in strict) for name, images in good.items()},
        at_size(preset, tile),
        seed,
        on_progress,
        iterations=iterations,
        checkpoints=checkpoints,
        execution=execution,
        on_scores=keep,
        start=start,
    )
    sources = {source_key(name): images.digest for name, images in good.items()}
    views = {view_key(name): images.view_settings for name, images in good.items()}
    tensors: dict[str, Any] = dict(fitted.tensors)
    for name, images in good.items():
        if images.seen:
            known = images.seen if name in strict else (*images.seen, *images.held)
            tensors |= of_category(name, {SEEN: short_digests(known)})
    about = {**fitted.provenance, **sources, **views}
    return Fitted(replace(fitted, tensors=tensors, provenance=about), scores)


def short_digests(digests: Iterable[str]) -> Tensor:
    """The first 60 bits of hexadecimal digests, [N]: enough to know a file again."""
    return torch.tensor([int(digest[:15], 16) for digest in digests], dtype=torch.int64)


def learnt_from(model: Model, category: str, reviews: Iterable[Review]) -> Model:
    """The model with the reviews behind a category's pictures in its provenance, and no others."""
    prefix = f"{category}/reviews"
    kept = {key: value for key, value in model.provenance.items() if not key.startswith(prefix)}
    told = {f"{category}/{name}": value for name, value in lineage(reviews).items()}
    return replace(model, provenance={**kept, **told})


def source_key(category: str) -> str:
    """Where a model's provenance keeps the digest of a category's folder."""
    return f"{category}/source_digest"


def set_thresholds(
    fitted: Fitted,
    good: Mapping[str, GoodImages],
    budgets: Mapping[str, Budget],
    device: str = "cpu",
    strict: Collection[str] = (),
    *,
    eight_bits: bool = False,
) -> Model:
    """Thresholds for each category from all its good images, cross-fitted; for those in `strict`
    certified ones, from its calibrate part; with `eight_bits` the model knows their ranges, too.

    Raises CalibrationRefused.
    """
    model = fitted.model
    detector = Detector(model, device, engine="torch")
    for name, images in good.items():
        try:
            if name in strict:
                model = calibrate(
                    model, images.calibrate, budgets[name], detector, name, strict=True
                )
            else:
                own = fitted.scores[name]
                model = calibrate_cross_fitted(
                    model,
                    own.images,
                    own.scores,
                    budgets[name],
                    seen=own.seen,
                    detector=detector,
                    category=name,
                )
        except CalibrationRefused as error:
            raise CalibrationRefused(f"{name}: {error}") from error
        if eight_bits:
            model = with_eight_bits(model, name, [*images.select, *images.calibrate])
    return model


def train_category(
    good: GoodImages,
    category: str,
    preset: Preset,
    *,
    seed: int,
    budget: Budget,
    on_progress: OnProgress = lambda _: None,
    iterations: int | None = None,
    eight_bits: bool = False,
) -> Model:
    """One category's model with its thresholds."""
    one = {category: good}
    fitted = fit_model(one, preset, seed=seed, on_progress=on_progress, iterations=iterations)
    return set_thresholds(fitted, one, {category: budget}, eight_bits=eight_bits)


def _synthetic(index: int, seed: int, view: View) -> Image:
    png = encode_png(render(index, seed, None, DEFAULT_SIZE).image)
    return decode(png, "image/png", view, DecodeLimits()).image
