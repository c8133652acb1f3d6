"""Mahalanobis distance to a mixture of Gaussians: good features wherever they lie in the image.

RAN section D and PaDiM fit one Gaussian for each position, which suits parts that always lie
alike. Features fall into kinds (an edge, a hole, the belt) that move with the part and recur in a
texture, so here every kind has its Gaussian, and a feature is as normal as its most likely kind
says. That needs no registration, costs the same for an image of any size, and on all categories
measured, aligned ones included, it is the better score (docs/accuracy.md).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from stream_inspector.image.view.tiles import inspected
from stream_inspector.presets import MixturePlan
from stream_inspector.score.mahalanobis import inverse_factor

NEAREST = 4  # components asked for each feature, by Euclidean distance to their means
SAMPLES = 65536  # features that a mixture is fitted to, drawn at random
LEAST = 64  # features for each component on average: with fewer samples, fewer components
_ROUNDS = 6  # of k-means
_CHUNK = 8192  # features compared with all means at once


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mean and inverse Cholesky factor of each component, of features divided by `scale`."""

    scale: Tensor  # [C], standard deviation of each channel
    mean: Tensor  # [K, C]
    factor: Tensor  # [K, C, C], lower triangular L^-1 with L L^T the covariance

    @cached_property
    def log_volume(self) -> Tensor:
        """log det of the covariances per channel, above the smallest, [K]."""
        volume = -2 * self.factor.diagonal(dim1=1, dim2=2).log().mean(1)
        return volume - volume.min()

    def maps(self, features: Tensor) -> Tensor:
        """Squared distance plus log det per channel under the most likely component, at least 0,
        [B, C, h, w] -> [B, h, w]. Differentiable.
        """
        b, _, h, w = features.shape
        x = (features / self.scale[:, None, None]).movedim(1, -1).flatten(0, 2)
        return self._energy(x).reshape(b, h, w)

    def _energy(self, x: Tensor) -> Tensor:
        """Twice the negative log-likelihood of x [N, C] per channel, without its constant, [N]."""
        near = nearest(x, self.mean, NEAREST)
        pairs = near.flatten().argsort()  # all pairs of a feature and a component, by component
        rows = torch.split(pairs // near.shape[1], torch.bincount(near.flatten()).tolist())
        energy = torch.cat(
            [
                ((x[row] - self.mean[k]) @ self.factor[k].T).square().mean(1) + self.log_volume[k]
                for k, row in enumerate(rows)
            ]
        )
        return energy[pairs.argsort()].reshape(near.shape).amin(1)


def fit_mixture(
    features: Tensor, plan: MixturePlan, seed: int, cells: Tensor | None = None
) -> Mixture:
    """Fit to good features [N, C, h, w]: k-means, then a covariance for each cluster.

    A cluster's covariance is drawn towards the mean one of all clusters, the more the fewer
    features it has, and then towards the identity (plan.shrink).
    `cells` [T, h, w] says which are inspected, tile by tile; features then come as [N * T, ...].
    """
    c, h, w = features.shape[1:]
    found = inspected(features, torch.ones(1, h, w, dtype=torch.bool) if cells is None else cells)
    scale = found.std(0).clamp_min(1e-6)
    generator = torch.Generator().manual_seed(seed)
    x = found[torch.randperm(len(found), generator=generator)[:SAMPLES]] / scale
    mean, cluster = k_means(x, max(1, min(plan.components, len(x) // LEAST)))
    common = torch.cov((x - mean[cluster]).T, correction=0)
    factors = []
    for k in range(len(mean)):
        centred = x[cluster == k] - mean[k]
        trust = len(centred) / (len(centred) + c)
        own = centred.T @ centred / max(1, len(centred))
        covariance = trust * own + (1 - trust) * common
        factors.append(inverse_factor((1 - plan.shrink) * covariance + plan.shrink * torch.eye(c)))
    return Mixture(scale, mean, torch.stack(factors))


def k_means(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means [count, C] and the cluster of each x [N, C]; the first `count` of x start.

    Lloyd's algorithm for a fixed number of rounds.
    """
    mean = x[:count].clone()
    for _ in range(_ROUNDS):
        cluster = nearest(x, mean, 1)[:, 0]
        members = torch.bincount(cluster, minlength=count)[:, None]
        sums = torch.zeros_like(mean).index_add_(0, cluster, x)
        mean = torch.where(members > 0, sums / members.clamp_min(1), mean)
    return mean, nearest(x, mean, 1)[:, 0]


def nearest(x: Tensor, points: Tensor, count: int) -> Tensor:
    """Indices of the `count` points [K, C] nearest to each x [N, C], [N, count or K]."""
    norms = points.square().sum(1)  # that of x is the same for all points
    return torch.cat(
        [
            torch.addmm(norms, chunk, points.T, alpha=-2)
            .topk(min(count, len(points)), dim=1, largest=False)
            .indices
            for chunk in torch.split(x.detach(), _CHUNK)
        ]
    )
