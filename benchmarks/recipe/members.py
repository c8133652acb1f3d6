"""Every member's raw maps of a category, kept in a file, and the baselines' scores.

Maps of the images that fit come from folds, so that normalisation and thresholds see none of a
member's own images; those of the others from a member fitted to all.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.recipe.material import Material, Say
from stream_inspector.baselines.padim import fit_padim
from stream_inspector.image.view.tiles import inspected, tile_cells
from stream_inspector.model.assembly import bind, score_schedule
from stream_inspector.presets import FEATURE_FAST, MemoryPlan, Preset
from stream_inspector.score.memory import Candidates, fit_memory
from stream_inspector.score.mixture import fit_mixture
from stream_inspector.score.normalise import to_level_of
from stream_inspector.score.scorer import Scorer, Statistics
from stream_inspector.score.whitening import fit_whitening
from stream_inspector.training.networks import Checkpoints, Execution, Fixed, Learner

FOLDS = 5
NETWORK = "kl"
_CHUNK = 8
_SELECT = 9  # one in so many fitting images is not trained on
_WHOLE, _DRAWN = 4096, 32768  # features of the memory of the whole picture, and to choose from

Maps = dict[str, dict[str, Tensor]]  # member -> "fit", "painted", "test" -> [N, h, w]
Score = Callable[[Tensor], Tensor]  # features [B, C, h, w] -> maps [B, h, w]
Fit = Callable[[Tensor, Preset, Tensor, int], Mapping[str, Score]]  # features, cells [T, h, w]


def _mixtures(features: Tensor, preset: Preset, cells: Tensor, seed: int) -> Mapping[str, Score]:
    near = fit_mixture(features, replace(preset.mixture, place=2), seed, cells)
    return {"mixture": replace(near, seen=None).maps, "near": near.maps}


def _nearby(features: Tensor, preset: Preset, cells: Tensor, seed: int) -> Mapping[str, Score]:
    plan = preset.nearby or FEATURE_FAST.nearby or MemoryPlan(512, 8192, 4, 3)
    return {"nearby": fit_memory(features, plan, seed, cells).maps}


def _whole(features: Tensor, _: Preset, cells: Tensor, seed: int) -> Mapping[str, Score]:
    """One memory of the whole picture: it does not know where it is."""
    generator = torch.Generator().manual_seed(seed)
    found = inspected(features, cells)
    drawn = found[torch.randperm(len(found), generator=generator)[:_DRAWN]][None].half()
    plan = MemoryPlan(vectors=_WHOLE, candidates=_DRAWN, block=1, margin=0)
    image = torch.zeros(drawn.shape[:2], dtype=torch.int64)
    return {"whole": Candidates(drawn, image, (1, 1, 1), plan, seed).memory().maps}


def _position(features: Tensor, _: Preset, __: Tensor, seed: int) -> Mapping[str, Score]:
    """A Gaussian of all channels at each position, as in PaDiM."""
    fitted = fit_padim(features, seed, channels=None, pool=False)
    return {"position": lambda x: fitted.score(x).maps.square()}


FITS: tuple[Fit, ...] = (_mixtures, _nearby, _whole, _position)


def raw_maps(material: Material, iterations: int, seed: int, cache: Path, say: Say) -> Maps:
    """Read them from the cache, or measure them and keep them there."""
    h, w = material.preset.input_size
    start = f"{material.category}-{h}x{w}-{seed}"
    members: Maps = {}
    for fit in FITS:
        name = fit.__name__.strip("_")
        members |= _kept(
            cache / f"{name}-{start}.safetensors",
            f"{material.category}: {name}",
            say,
            partial(_crossed, fit, material, seed),
        )
    if iterations:
        members |= _kept(
            cache / f"{NETWORK}-{iterations}-{start}.safetensors",
            f"{material.category}: the diffusion, {iterations} steps",
            say,
            lambda: {NETWORK: _of_network(material, iterations, seed)},
        )
    return members


def _kept(file: Path, said: str, say: Say, make: Callable[[], Maps]) -> Maps:
    """What is in the file, or what is made now and kept there."""
    if not file.exists():
        say(said)
        made = make()
        save_file(
            {f"{m}/{part}": x.contiguous() for m, of in made.items() for part, x in of.items()},
            file,
        )
    members: Maps = {}
    for name, value in load_file(file).items():
        member, part = name.split("/")
        members.setdefault(member, {})[part] = value
    return members


def _crossed(fit: Fit, material: Material, seed: int) -> Maps:
    """Maps of the fitting images by folds, of the others by everything."""
    cells, every = tile_cells(material.view, material.preset.grid), material.fit.float()
    members: Maps = {}
    images = np.arange(len(every))
    for fold in range(FOLDS):
        others = fit(every[images % FOLDS != fold], material.preset, cells, seed)
        for name, score in others.items():
            maps = _chunked(score, every[fold::FOLDS])
            parts = members.setdefault(name, {})
            parts.setdefault("fit", maps.new_empty(len(every), *maps.shape[1:]))[fold::FOLDS] = maps
    for name, score in fit(every, material.preset, cells, seed).items():
        members[name]["painted"] = _chunked(score, material.painted.features)
        members[name]["test"] = _chunked(score, material.test.features)
    return members


def _chunked(score: Score, features: Tensor) -> Tensor:
    return torch.cat([score(part.float()) for part in torch.split(features, _CHUNK)])


def _of_network(material: Material, iterations: int, seed: int) -> dict[str, Tensor]:
    """The KL of a feature diffusion; maps of what it saw are brought to the others' level."""
    preset, features = material.preset, material.fit.float()
    diffusion = preset.scoring
    diffusion = replace(diffusion, plan=replace(diffusion.plan, iterations=iterations))
    seen = np.arange(len(features)) % _SELECT != 0
    cells = tile_cells(material.view, preset.grid)
    whitening = fit_whitening(features[seen], cells)
    white = torch.cat([whitening.whiten(part) for part in torch.split(features[seen], _CHUNK)])
    learner = Learner(seed, Execution(), Checkpoints(), lambda _: None)
    with torch.inference_mode(mode=False):
        samples = Fixed(white.clone(), torch.zeros(len(white), dtype=torch.int64))
        network = learner.learn("features", diffusion, samples, 1.0)
    mixture = fit_mixture(features[:8], replace(preset.mixture, components=1, place=None), seed)
    scorer = Scorer(
        preset,
        bind(diffusion, network, 1.0, score_schedule(diffusion)),
        [Statistics(whitening, mixture)],
        {},
    )

    def score(x: Tensor) -> Tensor:
        maps = scorer.network_maps(x, x, torch.zeros(len(x), dtype=torch.int64))
        return torch.stack([value for name, value in maps.items() if name.startswith("kl.")]).mean(
            0
        )

    fit = _chunked(score, features)
    fit[seen] = to_level_of(
        fit[~seen].flatten(1), fit[seen], torch.ones_like(fit[0], dtype=torch.bool)
    )
    return {
        "fit": fit,
        "painted": _chunked(score, material.painted.features),
        "test": _chunked(score, material.test.features),
    }
