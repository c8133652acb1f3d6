"""Scores of good images by statistics that have not seen them: every one counts for the thresholds.

What is cheap is fitted again for each fold: mixture and memories. The networks and the whitening
that they are bound to stay, since training them again costs minutes a fold; maps of images that
they saw are brought to the level of those that they did not. Then each image is normalised by the
others. So the scores stand for those of new images approximately, and certify nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import TooFewImages
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.tiles import merge, tile_cells
from stream_inspector.model.assembly import for_category, unpack_statistics
from stream_inspector.presets import Preset
from stream_inspector.score.ensemble import Ensemble, fit_ensemble
from stream_inspector.score.memory import Candidates, draw_candidates
from stream_inspector.score.mixture import fit_mixture
from stream_inspector.score.names import ENSEMBLE
from stream_inspector.score.normalise import to_level_of
from stream_inspector.score.scorer import Statistics
from stream_inspector.score.whitening import Whitening
from stream_inspector.verdict import Image

FOLDS = 10  # of members: a fold's then lack a tenth of what the model's have seen
LEAST_PER_FOLD = 2
_NORMALISING = 10  # folds of the normalisation, which costs nothing
_CHUNK = 8  # images a forward

OnImages = Callable[[int, int], None]  # images done, of how many
OnFolds = Callable[[int, int], None]  # folds done, of how many
Raw = dict[str, Tensor]  # raw map -> [N, h, w]


@dataclass(frozen=True)
class FoldScores:
    """Scores of each image by the statistics of its fold."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    member_image_scores: dict[str, NDArray[np.float64]]  # each [N]


@dataclass(frozen=True, eq=False)
class Material:
    """Good images of a category as no fold changes them."""

    features: Tensor  # [N * T, C, h, w]
    network: Raw  # raw maps of the network and of the control, at one level
    view: View
    preset: Preset
    whitening: Whitening  # the model's own, which folds keep
    seed: int

    @property
    def count(self) -> int:
        """Images."""
        return len(self.features) // len(self.view.corners)

    @cached_property
    def cells(self) -> Tensor:
        """Which are inspected, [T, h, w]."""
        return tile_cells(self.view, self.preset.grid)

    @cached_property
    def candidates(self) -> Candidates | None:
        """What memories are chosen from, those of all folds."""
        plan = self.preset.nearby
        return draw_candidates(self.features, plan, self.seed, self.cells) if plan else None

    def fitted(self, images: NDArray[np.intp] | None = None) -> Statistics:
        """Statistics of some of the images; None: of all."""
        picked = None if images is None else torch.from_numpy(images)
        tiles = slice(None) if images is None else _tiles_of(images, len(self.view.corners))
        return Statistics(
            self.whitening,
            fit_mixture(self.features[tiles], self.preset.mixture, self.seed, self.cells),
            self.candidates.memory(picked) if self.candidates else None,
        )


def cross_fit(
    scorer: TorchScorer,
    images: Sequence[Image],
    category: str,
    folds: int = FOLDS,
    on_images: OnImages = lambda *_: None,
    *,
    seen: NDArray[np.bool_] | None = None,
    on_fold: OnFolds = lambda *_: None,
) -> FoldScores:
    """Score canvases [H, W, 3]; image i belongs to fold i % `folds`, `seen` [N] by the networks.

    Raises TooFewImages.
    """
    _check(len(images), folds)
    with torch.inference_mode():
        material = measure(scorer, images, category, on_images, seen=seen)
        return scores_by_others(
            out_of_fold(material, folds, on_fold), material.preset, material.view
        )


def folds_for(count: int) -> int:
    """As many folds as so many images allow. Raises TooFewImages."""
    folds = min(FOLDS, count // LEAST_PER_FOLD)
    _check(count, folds)
    return folds


def _check(count: int, folds: int) -> None:
    if count < LEAST_PER_FOLD * folds or folds < 2:
        raise TooFewImages(
            f"{folds} folds of {count} good images; at least 2 folds of "
            f"{LEAST_PER_FOLD} images are needed"
        )


def measure(
    scorer: TorchScorer,
    images: Sequence[Image],
    category: str,
    on_images: OnImages = lambda *_: None,
    *,
    seen: NDArray[np.bool_] | None = None,
) -> Material:
    """Features of canvases [H, W, 3] and what the network says of them."""
    model, view = scorer.model, scorer.model.view(category)
    label, features, raw = model.labels([category], 1), list[Tensor](), list[Raw]()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        seen_now, maps = scorer.features(chunk, label * len(chunk))
        features.append(seen_now.cpu())
        raw.append({name: each.cpu() for name, each in maps.items()})
        on_images(start + len(chunk), len(images))
    maps = {name: torch.cat([each[name] for each in raw]) for name in raw[0]}
    seed = int(model.provenance.get("seed") or 0)
    return Material(
        torch.cat(features),
        maps if seen is None else _at_one_level(maps, torch.from_numpy(seen), view),
        view,
        model.preset,
        unpack_statistics(model.preset, for_category(category, model.tensors)).whitening,
        seed,
    )


def _at_one_level(maps: Raw, seen: Tensor, view: View) -> Raw:
    """A network says less of what it was trained on."""
    if seen.all() or not seen.any():
        return maps
    levelled = {name: each.clone() for name, each in maps.items()}
    for each in levelled.values():
        cells = torch.from_numpy(view.cells((each.shape[1], each.shape[2])))
        each[seen] = to_level_of(each[~seen][:, cells], each[seen], cells)
    return levelled


def out_of_fold(material: Material, folds: int, on_fold: OnFolds = lambda *_: None) -> Raw:
    """Raw maps of every image, its members fitted to the images of the other folds."""
    count, tiles = material.count, len(material.view.corners)
    every, found = np.arange(count), Raw()
    for fold in range(folds):
        statistics = material.fitted(every[every % folds != fold])
        inside = every[fold::folds]
        parts = [
            statistics.distances(material.features[_tiles_of(part, tiles)])
            for part in np.array_split(inside, -(-len(inside) // _CHUNK))
        ]
        for name in parts[0]:
            maps = merge(material.view, torch.cat([part[name] for part in parts]))
            found.setdefault(name, maps.new_empty(count, *maps.shape[1:]))[inside] = maps
        on_fold(fold + 1, folds)
    return found | material.network


def scores_by_others(raw: Raw, preset: Preset, view: View, folds: int = _NORMALISING) -> FoldScores:
    """Each image normalised by the statistics of those in other folds."""
    count = len(next(iter(raw.values())))
    every, folds = np.arange(count), min(folds, count)
    maps = np.empty((count, *view.canvas), np.float32)
    scores: dict[str, NDArray[np.float64]] = {}
    for fold in range(folds):
        others = _of(raw, every[every % folds != fold])
        ensemble = fit_ensemble(others, preset, view)
        inside = every[fold::folds]
        for part in np.array_split(inside, -(-len(inside) // _CHUNK)):
            _score(ensemble, raw, part, maps, scores)
    return FoldScores(maps, scores.pop(ENSEMBLE), scores)


def _score(
    ensemble: Ensemble,
    raw: Raw,
    part: NDArray[np.intp],
    maps: NDArray[np.float32],
    scores: dict[str, NDArray[np.float64]],
) -> None:
    """Write the scores of some images into their places."""
    found, image_scores = ensemble.combine(_of(raw, part))
    maps[part] = found[ENSEMBLE].numpy()
    for name, values in image_scores.items():
        scores.setdefault(name, np.empty(len(maps)))[part] = values.double().numpy()


def _of(raw: Raw, picked: NDArray[np.intp]) -> Raw:
    return {name: maps[torch.from_numpy(picked)] for name, maps in raw.items()}


def _tiles_of(images: NDArray[np.intp], tiles: int) -> Tensor:
    """The rows of some images' tiles."""
    return torch.from_numpy((images[:, None] * tiles + np.arange(tiles)).ravel())
