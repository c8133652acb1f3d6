"""The paper's experiments on one trained model: readings of T, members, alpha, normalisation.

The network is the same in all of them. A reading looks at other noise levels, so its maps are
normalised anew, by good images that the network has not seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.model.assembly import of_category, pack_ensemble, pack_shared
from stream_inspector.model.version import Model
from stream_inspector.presets import CHAIN, PAPER, PER_IMAGE, Preset
from stream_inspector.score.ensemble import fit_ensemble
from stream_inspector.score.scorer import draw_noise
from stream_inspector.threshold.alpha import EVEN, FEATURES, KL, tune_alpha, with_alpha
from stream_inspector.verdict import Image
from workers.offline.reproduce.plan import plain
from workers.offline.scoring.maps import BATCH, DIFFUSION, Scored
from workers.offline.scoring.ranking import Truth, rank

T = PAPER.pixel.score_steps
OnScored = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """At which steps of which chain a model is scored, and how its maps are normalised."""

    name: str
    preset: Preset


def readings(preset: Preset) -> list[Reading]:
    """The preset's own first; then T on the chain of 250 and on the original steps, where that is
    another one; then the released normalisation.
    """
    found = [Reading("own", preset)]
    for name, chain in (("T of 250", PAPER.scoring.score_chain), ("T of 1000", CHAIN)):
        other = _scored_at(preset, chain)
        if other == preset:
            found[0] = Reading(name, preset)
        else:
            found.append(Reading(name, other))
    return [*found, Reading("per image", replace(preset, normalisation=PER_IMAGE))]


def _scored_at(preset: Preset, chain: int) -> Preset:
    seen = replace(preset.scoring, score_steps=T, score_chain=chain)
    return replace(preset, feature=seen) if preset.feature else replace(preset, pixel=seen)


def read_as(model: Model, reading: Reading, held_out: Sequence[Image], device: str) -> Model:
    """A model of one category that is scored so; normalised by good images it has not seen."""
    if reading.preset == model.preset:
        return model
    (name,) = model.categories
    drawn = draw_noise(reading.preset, int(model.provenance.get("seed") or 0))
    shared = pack_shared(drawn, float(model.tensors["sigma_data"]))
    other = replace(model, preset=reading.preset, tensors={**model.tensors, **shared})
    scorer = TorchScorer(other, device)
    with torch.inference_mode():
        parts = [
            scorer.raw_maps(held_out[i : i + BATCH], [0] * len(held_out[i : i + BATCH]))
            for i in range(0, len(held_out), BATCH)
        ]
    raw: dict[str, Tensor] = {
        each: torch.cat([part[each] for part in parts]).cpu() for each in parts[0]
    }
    fitted = fit_ensemble(raw, reading.preset, other.view(name))
    return replace(other, tensors={**other.tensors, **of_category(name, pack_ensemble(fitted))})


def rows(reading: str, scored: Scored, truth: Truth) -> Iterator[dict[str, Any]]:
    """KL, features, both at alpha .5, both at the best alpha, and all members of the model."""
    both = DIFFUSION if DIFFUSION in scored.maps else KL
    for member in dict.fromkeys((KL, FEATURES, both, "ensemble")):
        if member in scored.maps:
            ranked = rank(scored.maps[member], scored.image_scores[member], truth)
            yield {"reading": reading, "member": member, **plain(ranked)}
    if FEATURES in scored.maps and truth.defective.any() and not truth.defective.all():
        yield {"reading": reading, "member": "tuned", **_tuned(scored, truth)}


def _tuned(scored: Scored, truth: Truth) -> dict[str, Any]:
    """As in the paper, alpha is chosen by the images that it is measured on."""
    even = with_alpha(((KL, 1.0), (FEATURES, 1.0)), EVEN)
    best = tune_alpha(scored.maps, scored.image_scores, even, truth.defective, truth.masks)
    weights = with_alpha(even, best.alpha)
    maps, scores = _mixed(scored.maps, weights), _mixed(scored.image_scores, weights)
    return {"alpha": best.alpha, **plain(rank(maps, scores, truth))}


def _mixed(members: Mapping[str, Any], weights: Sequence[tuple[str, float]]) -> Any:
    total = sum(weight for _, weight in weights)
    return reduce(np.add, [members[name] * (weight / total) for name, weight in weights])
