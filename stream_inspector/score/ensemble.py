"""From raw member maps to one map and the image score (RAN section D).

Every member has two views, its global and its per-position z-score. Each view is divided by the
spread of its own image scores over held-out good images: a view that already swings on good parts
counts less, for parts that move as for parts that lie alike, and no rule has to tell them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from stream_inspector.presets import Preset
from stream_inspector.score.normalise import Normaliser, fit_normaliser
from stream_inspector.score.scorer import MEMBERS

ENSEMBLE = "ensemble"
_PRIOR = 4  # images' worth of the spread common to all views, against chance with few images


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Normalisation of raw maps and the weighing of members and views."""

    preset: Preset
    normalisers: Mapping[str, Normaliser]  # by raw map
    centre: Mapping[str, Tensor]  # by member, [2]: mean image score of each view on good images
    spread: Mapping[str, Tensor]  # by member, [2]: its deviation

    def combine(self, raw: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Raw maps [B, h, w] -> maps [B, H, W] and image scores [B] by member, and "ensemble".

        A map is the mean of its views in units of their spread; an image score the mean of the
        views' standardised image scores.
        """
        maps, scores = {}, {}
        for member, views in member_views(raw, self.normalisers).items():
            large, tops = _enlarged(views, self.preset)
            spread = self.spread[member]
            maps[member] = (large / spread[:, None, None, None]).mean(0)
            standard = (tops - self.centre[member][:, None]) / spread[:, None]
            scores[member] = standard.mean(0)
        weights = dict(self.preset.weights)
        maps[ENSEMBLE] = weighted_mean(maps, weights)
        scores[ENSEMBLE] = weighted_mean(scores, weights)
        return maps, scores


def fit_ensemble(
    raw: Mapping[str, Tensor], held_out: Mapping[str, Tensor], preset: Preset
) -> Ensemble:
    """Fit to raw maps [N, h, w] of good images, trained on and held out, by raw map name.

    How much a view swings is measured on the held-out part alone.
    """
    normalisers = {name: fit_normaliser(raw[name], held_out[name]) for name in raw}
    views = member_views(held_out, normalisers)
    tops = {member: _enlarged(views[member], preset)[1] for member in MEMBERS}
    variance = {member: top.var(dim=1) for member, top in tops.items()}
    common = torch.stack(list(variance.values())).mean()
    n = tops[MEMBERS[0]].shape[1]
    return Ensemble(
        preset,
        normalisers,
        {member: top.mean(dim=1) for member, top in tops.items()},
        {m: ((n * v + _PRIOR * common) / (n + _PRIOR)).sqrt().float() for m, v in variance.items()},
    )


def member_views(
    raw: Mapping[str, Tensor], normalisers: Mapping[str, Normaliser]
) -> dict[str, Tensor]:
    """Both views of each member, [2, B, h, w]; the KL of several steps becomes their mean."""
    views = {name: normalisers[name].views(maps) for name, maps in raw.items()}
    steps = [view for name, view in views.items() if name.startswith("kl.")]
    return {name: view for name, view in views.items() if not name.startswith("kl.")} | {
        "kl": torch.stack(steps).mean(0)
    }


def _enlarged(views: Tensor, preset: Preset) -> tuple[Tensor, Tensor]:
    """Views [2, B, h, w] at the input size [2, B, H, W], and their image scores [2, B]."""
    large = enlarge(views.flatten(0, 1), preset.input_size, preset.smoothing)
    tops = image_scores(large, preset.top_pixels)
    count = views.shape[:2]
    return large.reshape(*count, *preset.input_size), tops.reshape(*count)


def weighted_mean(maps: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The members' maps averaged with their weights; alpha of the paper for two members."""
    total = sum(weights.values())
    return torch.stack([maps[name] * (weight / total) for name, weight in weights.items()]).sum(0)


def enlarge(maps: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Bilinear enlargement [B, h, w] -> [B, H, W], then a Gaussian blur of sigma pixels.

    Both are linear and separable: two small matrix products do them at once.
    """
    rows = _enlarging_matrix(maps.shape[1], size[0], sigma).to(maps)
    columns = _enlarging_matrix(maps.shape[2], size[1], sigma).to(maps)
    return rows @ maps @ columns.T


@lru_cache(maxsize=16)
def _enlarging_matrix(cells: int, pixels: int, sigma: float) -> Tensor:
    """What each of `cells` gives to each of `pixels`, [pixels, cells]."""
    with torch.inference_mode(mode=False):
        units = torch.eye(cells)[:, None]
        spread = functional.interpolate(units, size=pixels, mode="linear", align_corners=False)
        return (_blur(spread, sigma) if sigma > 0 else spread)[:, 0].T.contiguous()


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of lines [B, 1, L], cut at 3 sigma, ends replicated."""
    radius = int(3 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    padded = functional.pad(x, (radius, radius), mode="replicate")
    return functional.conv1d(padded, (kernel / kernel.sum())[None, None])


def image_scores(maps: Tensor, top: int) -> Tensor:
    """Mean of the `top` largest pixels of each map, [B, H, W] -> float64 [B]."""
    flat = maps.flatten(1)
    return flat.topk(min(top, flat.shape[1]), dim=1).values.double().mean(1)
