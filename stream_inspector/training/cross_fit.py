"""Scores of good images by statistics that have not seen them: more images for the thresholds.

What is cheap is fitted again for each fold, the mixture and the normalisation, at seconds a fold.
The networks and the whitening that they are bound to stay: training them again costs minutes a
fold. So the scores stand for those of new images only approximately, and certify nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_inspector.detector import Detector
from stream_inspector.errors import TooFewImages
from stream_inspector.features import load_feature_net, to_tensor
from stream_inspector.image.view.tiles import cut, merge, tile_cells
from stream_inspector.score.ensemble import ENSEMBLE, fit_ensemble
from stream_inspector.score.mixture import fit_mixture
from stream_inspector.verdict import Image

LEAST_PER_FOLD = 2
_CHUNK = 8  # images a forward
_SELECT = 9  # one in so many of the images outside a fold sets levels, as in training

OnImages = Callable[[int, int], None]  # images done, of how many


@dataclass(frozen=True)
class FoldScores:
    """Scores of each image by the statistics of its fold."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    member_image_scores: dict[str, NDArray[np.float64]]  # each [N]


def cross_fit(
    detector: Detector,
    images: Sequence[Image],
    category: str,
    folds: int,
    on_images: OnImages = lambda *_: None,
) -> FoldScores:
    """Score canvases [H, W, 3]; image i belongs to fold i % `folds`.

    Mixtures are drawn with the seed of the model. Raises TooFewImages.
    """
    if len(images) < LEAST_PER_FOLD * folds or folds < 2:
        raise TooFewImages(
            f"{folds} folds of {len(images)} good images; at least 2 folds of "
            f"{LEAST_PER_FOLD} images are needed"
        )
    with torch.inference_mode():
        material = _measure(detector, images, category, on_images)
        parts = [_fold(detector, material, category, k, folds) for k in range(folds)]
    back = np.argsort(np.concatenate([np.arange(len(images))[k::folds] for k in range(folds)]))
    maps = np.concatenate([part.maps for part in parts])[back]
    names = parts[0].member_image_scores
    return FoldScores(
        maps,
        np.concatenate([part.image_scores for part in parts])[back],
        {n: np.concatenate([part.member_image_scores[n] for part in parts])[back] for n in names},
    )


@dataclass(frozen=True, eq=False)
class _Material:
    """What no fold changes."""

    features: Tensor  # [N * T, C, h, w]
    raw: dict[str, Tensor]  # raw maps but the mixture's, each [N, h, w]
    tiles: int


def _measure(
    detector: Detector, images: Sequence[Image], category: str, on_images: OnImages
) -> _Material:
    model, view = detector.model, detector.model.view(category)
    net, label = load_feature_net(model.preset.grid), model.categories.index(category)
    features, raw = list[Tensor](), list[dict[str, Tensor]]()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        features.append(net(to_tensor(cut(view, [view.prepare(image) for image in chunk]))))
        raw.append(detector.raw_maps(chunk, [label] * len(chunk)))
        on_images(start + len(chunk), len(images))
    names = [name for name in raw[0] if name != "mahalanobis"]
    maps = {name: torch.cat([each[name].cpu() for each in raw]) for name in names}
    return _Material(torch.cat(features), maps, len(view.corners))


def _fold(
    detector: Detector, material: _Material, category: str, fold: int, folds: int
) -> FoldScores:
    """Fit to the images outside a fold, and score those inside."""
    model, view = detector.model, detector.model.view(category)
    every = np.arange(len(material.features) // material.tiles)
    inside, outside = every[fold::folds], every[every % folds != fold]
    held_out, fitted = outside[::_SELECT], np.delete(outside, np.s_[::_SELECT])
    cells = tile_cells(view, model.preset.grid)
    seed = int(model.provenance.get("seed") or 0)
    rows = _tiles_of(fitted, material.tiles)
    mixture = fit_mixture(material.features[rows], model.preset.mixture, seed, cells)
    chunks = [mixture.maps(each) for each in torch.split(material.features, _CHUNK)]
    raw = {"mahalanobis": merge(view, torch.cat(chunks)), **material.raw}

    def of(picked: NDArray[np.intp]) -> dict[str, Tensor]:
        return {name: maps[torch.from_numpy(picked)] for name, maps in raw.items()}

    ensemble = fit_ensemble(of(fitted), of(held_out), model.preset, view)
    maps, scores = list[NDArray[np.float32]](), list[dict[str, NDArray[np.float64]]]()
    for start in range(0, len(inside), _CHUNK):
        chunk_maps, chunk_scores = ensemble.combine(of(inside[start : start + _CHUNK]))
        maps.append(chunk_maps[ENSEMBLE].numpy())
        scores.append({name: values.double().numpy() for name, values in chunk_scores.items()})
    joined = {name: np.concatenate([each[name] for each in scores]) for name in scores[0]}
    return FoldScores(np.concatenate(maps), joined.pop(ENSEMBLE), joined)


def _tiles_of(images: NDArray[np.intp], tiles: int) -> Tensor:
    """The rows of some images' tiles."""
    return torch.from_numpy((images[:, None] * tiles + np.arange(tiles)).ravel())
