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

from stream_inspector.image.view.canvas import View
from stream_inspector.presets import PER_IMAGE, Preset
from stream_inspector.score.names import ENSEMBLE, members
from stream_inspector.score.normalise import Normaliser, PerImage, fit_normaliser

_GROUP = 64  # pixels searched together for the largest ones
_PRIOR = 4  # images' worth of the spread common to all views, against chance with few images


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Normalisation of raw maps and the weighing of members and views."""

    preset: Preset
    view: View
    normalisers: Mapping[str, Normaliser | PerImage]  # by raw map
    centre: Mapping[str, Tensor]  # by member, [V]: mean image score of each view on good images
    spread: Mapping[str, Tensor]  # by member, [V]: its deviation

    def combine(self, raw: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Raw maps [B, h, w] -> maps [B, H, W] and image scores [B] by member, and "ensemble".

        Maps are -inf where the view does not look.

        A map is the mean of its views in units of their spread; an image score the mean of the
        views' standardised image scores.
        """
        maps, scores = {}, {}
        for member, views in member_views(raw, self.normalisers).items():
            large, tops = _enlarged(views, self.preset, self.view)
            spread = self.spread[member]
            maps[member] = (large / spread[:, None, None, None]).mean(0)
            standard = (tops - self.centre[member][:, None]) / spread[:, None]
            scores[member] = standard.mean(0)
        weights = dict(self.preset.weights)
        maps[ENSEMBLE] = weighted_mean(maps, weights)
        scores[ENSEMBLE] = weighted_mean(scores, weights)
        return {name: _masked(each, self.view) for name, each in maps.items()}, scores


def fit_ensemble(raw: Mapping[str, Tensor], preset: Preset, view: View) -> Ensemble:
    """Fit to raw maps [N, h, w] of good images as new ones would have them, by raw map name.

    Normalisation per image takes nothing from good images: centre 0 and spread 1.
    """
    if preset.normalisation == PER_IMAGE:
        return Ensemble(
            preset,
            view,
            dict.fromkeys(raw, PerImage(view)),
            {member: torch.zeros(1, dtype=torch.float64) for member in members(preset)},
            {member: torch.ones(1) for member in members(preset)},
        )
    normalisers = {name: fit_normaliser(maps, _cells(view, maps)) for name, maps in raw.items()}
    views = member_views(raw, normalisers)
    tops = {member: _enlarged(views[member], preset, view)[1] for member in members(preset)}
    variance = {member: top.var(dim=1) for member, top in tops.items()}
    common = torch.stack(list(variance.values())).mean()
    n = next(iter(tops.values())).shape[1]
    return Ensemble(
        preset,
        view,
        normalisers,
        {member: top.mean(dim=1) for member, top in tops.items()},
        {m: ((n * v + _PRIOR * common) / (n + _PRIOR)).sqrt().float() for m, v in variance.items()},
    )


def _cells(view: View, maps: Tensor) -> Tensor:
    """The inspected cells [h, w] of maps [N, h, w]: KL may be finer than the others."""
    h, w = maps.shape[1:]
    return torch.from_numpy(view.cells((h, w)))


def member_views(
    raw: Mapping[str, Tensor], normalisers: Mapping[str, Normaliser | PerImage]
) -> dict[str, Tensor]:
    """The views of each member, [V, B, h, w]; the KL of several steps becomes their mean."""
    views = {name: normalisers[name].views(maps) for name, maps in raw.items()}
    steps = [view for name, view in views.items() if name.startswith("kl.")]
    others = {name: view for name, view in views.items() if not name.startswith("kl.")}
    return others | ({"kl": torch.stack(steps).mean(0)} if steps else {})


def _enlarged(views: Tensor, preset: Preset, view: View) -> tuple[Tensor, Tensor]:
    """Views [V, B, h, w] on the canvas [V, B, H, W], and their image scores [V, B]."""
    large = _enlarged_inside(views.flatten(0, 1), preset.smoothing, view)
    seen = large if view.complete else large[:, torch.tensor(view.valid)]
    tops = image_scores(seen, preset.top_pixels)
    count = views.shape[:2]
    return large.reshape(*count, *view.canvas), tops.reshape(*count)


def _enlarged_inside(maps: Tensor, sigma: float, view: View) -> Tensor:
    """Enlarged maps to which only inspected cells contribute, [B, h, w] -> [B, H, W]."""
    if view.complete:
        return enlarge(maps, view.canvas, sigma)
    cells = _cells(view, maps).to(maps)
    share = enlarge(cells[None], view.canvas, sigma).clamp_min(1e-6)
    return enlarge(maps * cells, view.canvas, sigma) / share


def _masked(maps: Tensor, view: View) -> Tensor:
    """Maps [B, H, W] with -inf where nothing is inspected."""
    if view.complete:
        return maps
    return maps.masked_fill(torch.from_numpy(~view.valid).to(maps.device), -torch.inf)


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
    """Mean of the `top` largest pixels of each map, [B, ...] -> float64 [B]."""
    return largest(maps.flatten(1), top).double().mean(1)


def largest(values: Tensor, top: int) -> Tensor:
    """The `top` largest of each row, [B, N] -> [B, top or N].

    They lie in the `top` groups with the largest maxima, so few values are ever sorted.
    """
    groups = values.shape[1] // _GROUP
    if groups <= top:
        return values.topk(min(top, values.shape[1]), dim=1).values
    grouped = values[:, : groups * _GROUP].reshape(-1, groups, _GROUP)
    chosen = grouped.amax(2).topk(top, dim=1).indices
    kept = grouped.gather(1, chosen[:, :, None].expand(-1, -1, _GROUP)).flatten(1)
    return torch.cat([kept, values[:, groups * _GROUP :]], dim=1).topk(top, dim=1).values
