"""Members and weights -> maps and image scores, normalised as the product does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.recipe.material import Material, Part
from benchmarks.recipe.members import Maps
from stream_inspector.score.ensemble import enlarge, image_scores
from stream_inspector.score.normalise import Normaliser, fit_normaliser
from stream_inspector.threshold.order import conformal_rank
from stream_inspector.threshold.pro import aupro, pixel_auroc, roc_auc

Weights = Mapping[str, float]  # of members
BUDGET = 0.05  # of good images


@dataclass(frozen=True, slots=True)
class Quality:
    """What a score is worth on labelled pictures."""

    image_auroc: float
    pixel_auroc: float
    aupro: float
    aupro_5: float

    @property
    def criterion(self) -> float:
        """What choices are made by."""
        return (self.image_auroc + self.aupro) / 2


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Of test images, at the threshold that all good fitting images set."""

    recall: float
    false_alarms: int
    good: int


class Member:
    """One member's views on the canvas, in units of the spread of their own image scores."""

    def __init__(self, maps: Mapping[str, Tensor], material: Material, *, crossed: bool) -> None:
        self._preset, self._canvas = material.preset, material.view.canvas
        self._maps, fit = maps, maps["fit"]
        self._normaliser = fit_normaliser(fit)
        tops = self._tops(self._views(fit, self._normaliser))
        self._centre, self._spread = tops.mean(1, keepdim=True), tops.std(1, keepdim=True)
        self.fit = self._by_others(fit) if crossed else None

    def scored(self, part: str) -> tuple[Tensor, Tensor]:
        """Maps [N, H, W] and image scores [N]."""
        large = self._views(self._maps[part], self._normaliser)
        scale = self._spread.float()[:, :, None, None]
        return (large / scale).mean(0), self._standard(self._tops(large))

    def _by_others(self, fit: Tensor, folds: int = 10) -> Tensor:
        """Image scores of the fitting images, each normalised by the others."""
        scores = torch.empty(len(fit), dtype=torch.float64)
        inside = torch.arange(len(fit)) % folds
        for fold in range(folds):
            others = fit_normaliser(fit[inside != fold])
            tops = self._tops(self._views(fit[inside != fold], others))
            own = self._tops(self._views(fit[inside == fold], others))
            standard = (own - tops.mean(1, keepdim=True)) / tops.std(1, keepdim=True)
            scores[inside == fold] = standard.mean(0)
        return scores

    def _views(self, maps: Tensor, normaliser: Normaliser) -> Tensor:
        views = normaliser.views(maps)
        large = [enlarge(view, self._canvas, self._preset.smoothing) for view in views]
        return torch.stack(large)

    def _tops(self, large: Tensor) -> Tensor:
        return torch.stack([image_scores(view, self._preset.top_pixels) for view in large])

    def _standard(self, tops: Tensor) -> Tensor:
        return ((tops - self._centre) / self._spread).mean(0)


class Combiner:
    """A category's members on one part of its pictures."""

    def __init__(self, material: Material, maps: Maps, part: str) -> None:
        self._part: Part = getattr(material, part)
        crossed = part == "test"
        members = {m: Member(of, material, crossed=crossed) for m, of in maps.items()}
        self._scored = {m: member.scored(part) for m, member in members.items()}
        self._crossed = {m: member.fit for m, member in members.items() if member.fit is not None}

    def quality(self, weights: Weights) -> Quality:
        """Of the weighted members."""
        total = sum(weights.values())
        maps = torch.stack([self._scored[m][0] * (w / total) for m, w in weights.items()]).sum(0)
        scores = torch.stack([self._scored[m][1] * (w / total) for m, w in weights.items()]).sum(0)
        return measured(maps.numpy(), scores.numpy(), self._part)

    def at_threshold(self, weights: Weights) -> AtThreshold:
        """What alarms at the conformal threshold of the fitting images' own scores."""
        total = sum(weights.values())
        fit, own = torch.zeros(()), torch.zeros(())
        for member, weight in weights.items():
            fit = fit + self._crossed[member] * (weight / total)
            own = own + self._scored[member][1] * (weight / total)
        threshold = fit.sort().values[conformal_rank(len(fit), BUDGET) - 1]
        alarms, defective = (own > threshold).numpy(), self._part.defective
        return AtThreshold(
            float(alarms[defective].mean()), int(alarms[~defective].sum()), int((~defective).sum())
        )


def measured(maps: NDArray[np.float32], scores: NDArray[np.float64], part: Part) -> Quality:
    """Maps [N, H, W] and image scores [N] against the truth."""
    return Quality(
        roc_auc(scores, part.defective),
        pixel_auroc(maps, part.masks),
        aupro(maps, part.masks),
        aupro(maps, part.masks, 0.05),
    )
