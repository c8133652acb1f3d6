"""Good images -> a model version: statistics, networks, normalisation, and then thresholds.

`fit` sees the images that train and those that select (normalisation); `calibrate` sees good
images that nothing else saw. Neither ever sees a defect.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stream_inspector import __version__
from stream_inspector.counterpart.explainer import Explainer
from stream_inspector.detector import Detector
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import ShareDone, TooFewImages
from stream_inspector.image.appearance import appearance
from stream_inspector.image.view.canvas import View
from stream_inspector.model.assembly import (
    of_category,
    pack_backbone,
    pack_distances,
    pack_ensemble,
    pack_network,
    pack_shared,
    pack_statistics,
    pack_usual_change,
    to_tensors,
    unpack_features,
)
from stream_inspector.model.self_test import choose
from stream_inspector.model.version import Model
from stream_inspector.presets import Diffusion, Preset, for_categories, shortened
from stream_inspector.score.distance import fit_examiner, fit_guide
from stream_inspector.score.ensemble import fit_ensemble
from stream_inspector.score.scorer import draw_noise
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import CrossFit
from stream_inspector.threshold.calibrate import calibrate as calibrate_scores
from stream_inspector.training.cross_fit import (
    FoldScores,
    folds_for,
    measure,
    out_of_fold,
    scores_by_others,
)
from stream_inspector.training.networks import Checkpoints, Execution, Learner
from stream_inspector.training.progress import OnProgress, Progress
from stream_inspector.training.samples import gather
from stream_inspector.training.start import Start
from stream_inspector.verdict import Image

OnScores = Callable[[str, "Good", FoldScores], None]  # of a category

MIN_TRAIN, MIN_SELECT = 8, 3
MAX_IMAGES = 500  # kept in memory as features, 1.1 MB each; more are drawn from at random


@dataclass(frozen=True, slots=True)
class Good:
    """One category's good images [H, W, 3], canvases of its view."""

    train: Sequence[Image]  # what the networks are trained on
    select: Sequence[Image]  # held out from them
    view: View | None = None  # None: whole frames at preset.input_size
    rest: Sequence[Image] = ()  # further ones held out

    @property
    def held_out(self) -> list[Image]:
        """What the networks do not see; everything else is fitted to these as well."""
        return [*self.select, *self.rest]

    @property
    def everything(self) -> list[Image]:
        """All of them, in the order of their scores."""
        return [*self.train, *self.held_out]


def fit(  # noqa: PLR0917  all of them are needed and callers name them
    images: Sequence[Image],
    select: Sequence[Image],
    category: str,
    preset: Preset,
    seed: int,
    on_progress: OnProgress,
    iterations: int | None = None,
    view: View | None = None,
) -> Model:
    """Train one category's model: `fit_unified` of a single one."""
    good = {category: Good(images, select, view)}
    return fit_unified(good, preset, seed, on_progress, iterations=iterations)


def fit_unified(
    good: Mapping[str, Good],
    preset: Preset,
    seed: int,
    on_progress: OnProgress,
    *,
    iterations: int | None = None,
    checkpoints: Checkpoints | None = None,
    execution: Execution | None = None,
    on_scores: OnScores = lambda *_: None,
    start: Start | None = None,
) -> Model:
    """Train one model on the good images of its categories: networks that are told the category,
    and each category's own statistics and normalisation.

    `on_scores` is given each category's good images, as many as were used, and the scores of
    `everything` in it by statistics that have not seen them: those set thresholds.

    Up to the raw maps a view's tiles are images of their own, all with the same statistics.
    On a processor in single precision the same seed, images, machine and thread count give the
    same tensors, also after a stop in between (`checkpoints`). `iterations` replaces the plan's;
    `start` has the weights of a backbone that no package has, and those that training begins with.
    Of several processes (`execution.peers`) the first one returns the model.
    Raises TooFewImages, and ValueError for images of another size and for views that no model can
    have together; ShareDone in all processes but the first, once the networks are trained.
    """
    execution, start = execution or Execution(), start or Start()
    preset = shortened(for_categories(preset, len(good)), iterations)
    views = {name: images.view or View(preset.input_size) for name, images in good.items()}
    model = Model(tuple(good), preset, {}, {}, views=views)
    for category, images in good.items():
        _check(images, category, views[category])
    most = max(MIN_TRAIN, MAX_IMAGES // sum(len(view.corners) for view in views.values()))
    good = {name: at_most(images, most, seed) for name, images in good.items()}
    trained = {name: images.train for name, images in good.items()}
    looked = pack_backbone(start.backbone)
    net = unpack_features(preset, looked)
    device = execution.device
    material = gather(trained, views, preset, on_progress, seed=seed, device=device, net=net)
    tensors = looked | pack_shared(draw_noise(preset, seed), material.sigma_data)
    for name, statistics in zip(good, material.statistics, strict=True):
        tensors |= of_category(name, pack_statistics(statistics))
        select, view = good[name].select, views[name]
        guide = fit_guide(replace(statistics.mixture, seen=None), select, view, preset, net.cpu())
        examiner = fit_examiner(trained[name], select, view, partial(_examined, on_progress))
        tensors |= of_category(name, pack_distances(guide, examiner))
    net.to(device)  # images that are turned are looked at again
    learner = Learner(seed, execution, checkpoints or Checkpoints(), on_progress)
    for stage, prefix, diffusion in _stages(preset):
        samples = material.features() if stage == "features" else material.pixels()
        first = start.network if stage == "pixels" else {}
        network = learner.learn(stage, diffusion, samples, material.sigma_data, first)
        tensors |= pack_network(prefix, network)
    del material  # hundreds of megabytes
    if execution.peers.rank:
        raise ShareDone(f"process {execution.peers.rank} has done its share of the training")
    about = provenance(good, seed, iterations) | {
        "device": execution.device,
        **{f"{stage}/precision": chosen for stage, chosen in learner.precisions.items()},
        **start.origin,
    }
    tensors |= _usual_changes(replace(model, tensors=tensors), good, execution.device)
    made = replace(model, tensors=tensors, provenance=about)
    return refit(made, good, execution.device, on_progress, on_scores)


def calibrate(
    model: Model,
    images: Sequence[Image],
    budget: Budget,
    detector: Detector | None = None,
    category: str | None = None,
    *,
    strict: bool = False,
) -> Model:
    """Set a category's thresholds from good images that the model has not seen.

    The one of them with the median score becomes the category's self-test.
    Raises CalibrationRefused when they are too few for the budget, UnknownCategory.
    """
    named = model.category(category)
    detector = detector or Detector(model, engine="torch")
    scores = detector.score(images, [named] * len(images))
    calibration = calibrate_scores(
        scores.maps,
        scores.image_scores,
        budget,
        member_scores=scores.member_image_scores,
        strict=strict,
        provisional=model.provisional,
        images_digest=images_digest(images),
        looks=[*map(appearance, images)],
    )
    chosen, test = choose(scores.image_scores, calibration.image_threshold)
    return model.with_calibration(named, calibration).with_self_test(named, images[chosen], test)


def calibrate_cross_fitted(
    model: Model,
    images: Sequence[Image],
    scores: FoldScores,
    budget: Budget,
    *,
    seen: int,
    detector: Detector | None = None,
    category: str | None = None,
    folds: int | None = None,
) -> Model:
    """Set a category's thresholds from cross-fitted scores of its good images, the first `seen` of
    which trained the networks. `folds`: how many there were; None: as many as there can be.

    Raises CalibrationRefused, UnknownCategory.
    """
    named = model.category(category)
    calibration = calibrate_scores(
        scores.maps,
        scores.image_scores,
        budget,
        member_scores=scores.member_image_scores,
        cross_fit=CrossFit(folds or folds_for(len(images)), np.arange(len(images)) < seen),
        provisional=model.provisional,
        images_digest=images_digest(images),
        looks=[*map(appearance, images)],
    )
    chosen, test = choose(scores.image_scores, calibration.image_threshold)
    detector = detector or Detector(model, engine="torch")
    own = detector.score([images[chosen]], [named]).image_scores  # its statistics know the image
    test = replace(test, score=float(own[0]))
    return model.with_calibration(named, calibration).with_self_test(named, images[chosen], test)


def _examined(on_progress: OnProgress, done: int, total: int) -> None:
    on_progress(Progress("examiner", done, total))


def _usual_changes(model: Model, good: Mapping[str, Good], device: str) -> dict[str, Tensor]:
    """How much the pixel network changes good images of each category."""
    tensors = to_tensors(model.tensors, torch.device(device))
    explainer = Explainer(model, tensors, torch.device(device))
    found: dict[str, Tensor] = {}
    for label, name in enumerate(good):
        usual = explainer.usual_change(good[name].select, label)
        found |= of_category(name, pack_usual_change(usual))
    return found


def _stages(preset: Preset) -> list[tuple[str, str, Diffusion]]:
    """Every network that is trained: the stage, where its weights go, its diffusion."""
    pixels = ("pixels", preset.pixel_prefix, preset.pixel)
    if preset.feature is None or not preset.trained:
        return [pixels]
    return [("features", "network", preset.feature), pixels]


def _check(good: Good, category: str, view: View) -> None:
    for what, given, needed in (
        ("train", good.train, MIN_TRAIN),
        ("select", good.select, MIN_SELECT),
    ):
        if len(given) < needed:
            raise TooFewImages(
                f"category {category}: {len(given)} good images to {what}, {needed} are needed; "
                f"add {needed - len(given)}"
            )
        wrong = next((image.shape for image in given if image.shape[:2] != view.canvas), None)
        if wrong is not None:
            raise ValueError(f"an image of {wrong[:2]} where the view's canvas is {view.canvas}")


def at_most(good: Good, limit: int, seed: int) -> Good:
    """The images in memory at a time, drawn at random: a fifth of them held out."""

    def drawn(images: Sequence[Image], count: int) -> Sequence[Image]:
        if len(images) <= count:
            return images
        generator = torch.Generator().manual_seed(seed)
        return [images[int(i)] for i in torch.randperm(len(images), generator=generator)[:count]]

    held = drawn(good.held_out, max(MIN_SELECT, limit // 5))
    return Good(drawn(good.train, limit - limit // 5), held, good.view)


def refit(
    model: Model,
    good: Mapping[str, Good],
    device: str,
    on_progress: OnProgress,
    on_scores: OnScores,
) -> Model:
    """The model with its networks, and all else fitted to every good image.

    Each category's normalisation and scores come from maps by statistics that have not seen the
    image.
    """
    bare = replace(model.preset, nearby=None)
    scorer = TorchScorer(replace(model, preset=bare), device)
    tensors: dict[str, Any] = dict(model.tensors)
    total = sum(len(each.everything) for each in good.values())
    folds = {name: folds_for(len(each.everything)) for name, each in good.items()}
    done, folded = 0, 0

    def told(stage: str, before: int, of: int, count: int, _: int) -> None:
        on_progress(Progress(stage, before + count, of))

    for name, images in good.items():
        every = images.everything
        seen = np.arange(len(every)) < len(images.train)
        on_image = partial(told, "normalisation", done, total)
        on_fold = partial(told, "folds", folded, sum(folds.values()))

        with torch.inference_mode():
            material = measure(scorer, every, name, on_image, seen=seen)
            material = replace(material, preset=model.preset)
            raw = out_of_fold(material, folds[name], on_fold)
            on_scores(name, images, scores_by_others(raw, model.preset, material.view))
        tensors |= of_category(name, pack_statistics(material.fitted()))
        ensemble = fit_ensemble(raw, model.preset, material.view)
        tensors |= of_category(name, pack_ensemble(ensemble))
        done, folded = done + len(every), folded + folds[name]
    return replace(model, tensors=tensors)


def provenance(
    good: Mapping[str, Good], seed: int, iterations: int | None
) -> dict[str, str | int | float | bool | None]:
    """Where a model comes from: code, seed and images."""
    return {
        "code_version": __version__,
        "seed": seed,
        "iterations": iterations,
        "train_images": sum(len(images.train) for images in good.values()),
        "select_images": sum(len(images.held_out) for images in good.values()),
        "data_digest": images_digest(
            image for images in good.values() for image in images.everything
        ),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }


def images_digest(images: Iterable[Image]) -> str:
    """SHA-256 over the pixels in order."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
