"""Good images -> a model version: statistics, networks, normalisation, and then thresholds.

`fit` sees the images that train and those that select (normalisation); `calibrate` sees good
images that nothing else saw. Neither ever sees a defect.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from stream_inspector import __version__
from stream_inspector.assembly import (
    bind,
    of_category,
    pack_ensemble,
    pack_network,
    pack_shared,
    pack_statistics,
    pixel_prefix,
)
from stream_inspector.detector import Detector
from stream_inspector.diffusion.train import Batch, train
from stream_inspector.diffusion.unet import UNet
from stream_inspector.errors import TooFewImages
from stream_inspector.features import FeatureNet, load_feature_net, resized, to_tensor
from stream_inspector.model import Model
from stream_inspector.presets import Diffusion, Preset, TrainingPlan
from stream_inspector.score.ensemble import fit_ensemble
from stream_inspector.score.mahalanobis import fit_gaussians
from stream_inspector.score.scorer import draw_noise
from stream_inspector.score.whitening import Whitening, fit_whitening
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.budget import calibrate as calibrate_scores
from stream_inspector.verdict import Image

MIN_TRAIN, MIN_SELECT = 8, 3
MAX_IMAGES = 500  # kept in memory as features, 1.1 MB each; more are drawn from at random
_CHUNK = 8  # images a forward


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; `loss` only while a network trains."""

    stage: str
    step: int
    total: int
    loss: float | None


OnProgress = Callable[[Progress], None]


def fit(  # noqa: PLR0917  all of them are needed and callers name them
    images: Sequence[Image],
    select: Sequence[Image],
    category: str,
    preset: Preset,
    seed: int,
    on_progress: OnProgress,
    iterations: int | None = None,
) -> Model:
    """Train on good images [h, w, 3] at preset.input_size; `select` helps to normalise.

    The same seed, images, machine and thread count give the same tensors. `iterations` replaces
    the plan's. Raises TooFewImages, and ValueError for images of another size.
    """
    _check(images, select, category, preset)
    generator = torch.Generator().manual_seed(seed)
    images = _at_most(images, MAX_IMAGES, generator)
    net = load_feature_net(preset.grid)
    features = _features(net, images, on_progress)
    whitening, gaussians = fit_whitening(features), fit_gaussians(features, preset.gaussian)
    x = _pixels(images, preset.pixel.size)
    sigma_data = float(x.std())
    tensors = pack_shared(draw_noise(preset, seed), sigma_data)
    tensors |= of_category(category, pack_statistics(whitening, gaussians))
    learn = partial(
        _learn,
        sigma_data=sigma_data,
        generator=generator,
        iterations=iterations,
        on_progress=on_progress,
    )
    white = _whitened(whitening, features)
    del features  # hundreds of megabytes
    if preset.feature is not None:
        tensors |= pack_network("network", learn(preset.feature, white, None, "features"))
    head = white if preset.pixel.network.feature_channels else None
    tensors |= pack_network(pixel_prefix(preset), learn(preset.pixel, x, head, "pixels"))
    model = Model((category,), preset, tensors, _provenance(images, select, seed, iterations))
    raw = _raw_maps(model, [*images, *select], on_progress)
    trained = {name: maps[: len(images)] for name, maps in raw.items()}
    held_out = {name: maps[len(images) :] for name, maps in raw.items()}
    ensemble = fit_ensemble(trained, held_out, preset)
    return replace(model, tensors=tensors | of_category(category, pack_ensemble(ensemble)))


def calibrate(
    model: Model,
    images: Sequence[Image],
    budget: Budget,
    detector: Detector | None = None,
    category: str | None = None,
) -> Model:
    """Set a category's thresholds from good images that neither trained nor normalised the model.

    Raises CalibrationRefused when they are too few for the budget, UnknownCategory.
    """
    named = model.category(category)
    detector = detector or Detector(model, engine="torch")
    scores = detector.score(images, [named] * len(images))
    calibration = calibrate_scores(
        scores.maps, scores.image_scores, budget, member_scores=scores.member_image_scores
    )
    return model.with_calibration(named, calibration)


def _check(images: Sequence[Image], select: Sequence[Image], category: str, preset: Preset) -> None:
    for what, given, needed in (("train", images, MIN_TRAIN), ("select", select, MIN_SELECT)):
        if len(given) < needed:
            raise TooFewImages(
                f"category {category}: {len(given)} good images to {what}, {needed} are needed; "
                f"add {needed - len(given)}"
            )
        wrong = next((image.shape for image in given if image.shape[:2] != preset.input_size), None)
        if wrong is not None:
            raise ValueError(
                f"an image of {wrong[:2]} where {preset.name} takes {preset.input_size}"
            )


def _at_most(images: Sequence[Image], limit: int, generator: torch.Generator) -> Sequence[Image]:
    if len(images) <= limit:
        return images
    order = torch.randperm(len(images), generator=generator)[:limit]
    return [images[int(i)] for i in order]


def _features(net: FeatureNet, images: Sequence[Image], on_progress: OnProgress) -> Tensor:
    """Features of all images [N, C, h, w]."""
    chunks = []
    with torch.no_grad():
        for start in range(0, len(images), _CHUNK):
            chunks.append(net(to_tensor(images[start : start + _CHUNK])))
            done = min(start + _CHUNK, len(images))
            on_progress(Progress("statistics", done, len(images), None))
    return torch.cat(chunks)


def _pixels(images: Sequence[Image], size: tuple[int, int]) -> Tensor:
    """All images at the pixel network's size [N, 3, h, w]; never all of them at full size."""
    return torch.cat(
        [resized(to_tensor(images[i : i + _CHUNK]), size) for i in range(0, len(images), _CHUNK)]
    )


def _whitened(whitening: Whitening, features: Tensor) -> Tensor:
    return torch.cat([whitening.whiten(chunk) for chunk in torch.split(features, _CHUNK)])


def _learn(
    diffusion: Diffusion,
    x: Tensor,
    features: Tensor | None,
    stage: str,
    *,
    sigma_data: float,
    generator: torch.Generator,
    iterations: int | None,
    on_progress: OnProgress,
) -> nn.Module:
    """Train one network on clean samples x [N, C, h, w]."""
    plan = _shortened(diffusion.plan, iterations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        network = UNet(diffusion.network, diffusion.channels)
    batches = _batches(x, features, plan.batch, generator)

    def on_step(step: int, loss: float) -> None:
        on_progress(Progress(stage, step, plan.iterations, loss))

    return train(
        network,
        lambda net: bind(diffusion, net, sigma_data),
        batches,
        plan,
        generator=generator,
        on_step=on_step,
    )


def _batches(
    x: Tensor, features: Tensor | None, size: int, generator: torch.Generator
) -> Iterator[Batch]:
    while True:
        order = torch.randperm(len(x), generator=generator)
        for picked in torch.split(order, size):
            yield Batch(x[picked], None if features is None else features[picked])


def _raw_maps(model: Model, images: Sequence[Image], on_progress: OnProgress) -> dict[str, Tensor]:
    """Raw maps of good images, computed as they will be when frames are scored."""
    detector, chunks = Detector(model, engine="torch"), []
    with torch.inference_mode():
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            chunks.append(detector.raw_maps(chunk, [0] * len(chunk)))
            done = min(start + _CHUNK, len(images))
            on_progress(Progress("normalisation", done, len(images), None))
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _shortened(plan: TrainingPlan, iterations: int | None) -> TrainingPlan:
    return plan if iterations is None else replace(plan, iterations=iterations)


def _provenance(
    images: Sequence[Image], select: Sequence[Image], seed: int, iterations: int | None
) -> dict[str, str | int | float | bool | None]:
    return {
        "code_version": __version__,
        "seed": seed,
        "iterations": iterations,
        "train_images": len(images),
        "select_images": len(select),
        "data_digest": _images_digest([*images, *select]),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }


def _images_digest(images: Sequence[Image]) -> str:
    """SHA-256 over the pixels in order."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
